// SPDX-License-Identifier: MIT
#include "cpu.hh"
#include <new>

namespace tdriver::cpu {

namespace {

/// In a child, a mark that was pending in the parent counts as reached: nobody will work on it.
Event *checked(void *object) {
  auto *event = static_cast<Event *>(object);
  uint32_t mine = event->generation.load(std::memory_order_acquire), current = fork_generation();
  if (mine == current) [[likely]]
    return event;
  constexpr uint32_t rebuilding = UINT32_MAX;
  if (mine != rebuilding && event->generation.compare_exchange_strong(mine, rebuilding)) {
    new (&event->lock) std::mutex;
    new (&event->reached_changed) std::condition_variable;
    event->reached = event->recorded;
    event->blocked.clear();
    event->generation.store(current, std::memory_order_release);
  }
  while (event->generation.load(std::memory_order_acquire) == rebuilding) pause_cpu();
  return event;
}

} // namespace

void release(Event *event) {
  if (event->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete event;
}

void reach(Event *event, uint64_t mark) {
  std::vector<Task *> streams;
  {
    std::lock_guard guard(event->lock);
    if (mark > event->reached) {
      event->reached = mark;
      event->time = now();
    }
    streams.swap(event->blocked); // those that wait for a later mark block again
    event->reached_changed.notify_all();
  }
  for (Task *stream : streams)
    if (!event->device->pool.schedule(stream)) stream->run(stream);
}

tdriver_status event_create(void *device, void **event, tdriver_report *report) {
  auto *e = new Event;
  e->device = static_cast<Device *>(device);
  e->generation = fork_generation();
  *event = e;
  return TDRIVER_OK;
}

void event_destroy(void *object) {
  auto *event = checked(object);
  tdriver_report report;
  event_synchronize(event, &report);
  release(event);
}

tdriver_status event_record(void *object, void *stream_object, tdriver_report *report) {
  auto *event = checked(object);
  auto *stream = static_cast<Stream *>(stream_object);
  uint64_t mark;
  {
    std::lock_guard guard(event->lock);
    mark = ++event->recorded;
  }
  if (begin_inline(stream)) {
    reach(event, mark);
    end_inline(stream);
    return TDRIVER_OK;
  }
  Op op = {};
  op.kind = Op::record;
  op.event = event;
  op.size = mark;
  tdriver_status status = enqueue(stream, op, report);
  if (status != TDRIVER_OK) reach(event, mark); // nobody may wait for a mark that is in no queue
  return status;
}

tdriver_status event_wait(void *object, void *stream, tdriver_report *report) {
  auto *event = checked(object);
  Op op = {};
  {
    std::lock_guard guard(event->lock);
    if (event->reached >= event->recorded) return TDRIVER_OK;
    op.size = event->recorded;
  }
  op.kind = Op::wait;
  op.event = event;
  return enqueue(static_cast<Stream *>(stream), op, report);
}

tdriver_status event_synchronize(void *object, tdriver_report *report) {
  auto *event = checked(object);
  std::unique_lock guard(event->lock);
  uint64_t mark = event->recorded;
  event->reached_changed.wait(guard, [&] { return event->reached >= mark; });
  return TDRIVER_OK;
}

tdriver_status event_query(void *object, tdriver_report *report) {
  auto *event = checked(object);
  std::lock_guard guard(event->lock);
  if (event->reached >= event->recorded) return TDRIVER_OK;
  return answer(fail(Code::BUSY, "the event is not reached yet"), report);
}

tdriver_status event_elapsed(void *start, void *end, double *nanoseconds, tdriver_report *report) {
  int64_t times[2];
  Event *events[2] = {checked(start), checked(end)};
  for (int i = 0; i < 2; ++i) {
    std::lock_guard guard(events[i]->lock);
    if (events[i]->reached < events[i]->recorded)
      return answer(fail(Code::BUSY, "the %s event is not reached yet", i ? "end" : "start"), report);
    times[i] = events[i]->time;
  }
  *nanoseconds = double(times[1] - times[0]);
  return TDRIVER_OK;
}

} // namespace tdriver::cpu
