// SPDX-License-Identifier: MIT
// Streams: ordered queues. Work for an idle stream is done by the thread that brings it; work for a busy one
// is queued and drained by a worker.
#include "cpu.hh"
#include <cstdlib>
#include <cstring>
#include <new>

namespace tdriver::cpu {

namespace {

void free_op(Op *op) {
  if (op->kernel) {
    op->kernel->in_flight.fetch_sub(1, std::memory_order_release);
    futex_wake(op->kernel->in_flight, 1);
  }
  if (op->event) release(op->event);
  std::free(op);
}

/// In a child, what the parent's other threads had in flight on this stream is dropped.
void check_fork(Stream *s) {
  uint32_t mine = s->generation.load(std::memory_order_acquire), current = fork_generation();
  if (mine == current) [[likely]]
    return;
  constexpr uint32_t rebuilding = UINT32_MAX;
  if (mine != rebuilding && s->generation.compare_exchange_strong(mine, rebuilding)) {
    new (&s->lock) std::mutex;
    new (&s->progress) std::condition_variable;
    s->head = s->tail = nullptr; // not freed: the heap's owner of them may have been in the middle of it
    s->draining = false;
    s->pending = 0;
    s->state.fetch_and(Stream::failed);
    s->generation.store(current, std::memory_order_release);
    return;
  }
  while (s->generation.load(std::memory_order_acquire) == rebuilding) pause_cpu();
}

/// Under the lock, with nothing running.
void settle(Stream *s) {
  s->state.fetch_and(~(Stream::running | Stream::attention), std::memory_order_release);
  s->progress.notify_all();
}

/// Takes the head off the queue if it can be worked on now. A wait whose mark is not reached leaves the
/// stream blocked (running stays set) until `reach` schedules it again.
Op *next_op(Stream *s) {
  std::lock_guard guard(s->lock);
  Op *op = s->head;
  if (!op) {
    s->draining = false;
    settle(s);
    return nullptr;
  }
  if (op->kind == Op::wait) {
    std::lock_guard event_guard(op->event->lock);
    if (op->event->reached < op->size) {
      op->event->blocked.push_back(s);
      return nullptr;
    }
  }
  s->head = op->next;
  if (!s->head) s->tail = nullptr;
  return op;
}

void drain(Task *task) {
  auto *s = static_cast<Stream *>(task);
  while (Op *op = next_op(s)) {
    bool dropped = s->state.load(std::memory_order_acquire) & Stream::failed;
    switch (op->kind) {
    case Op::launch:
      if (!dropped) execute_launch(s, op->kernel, op->config);
      break;
    case Op::copy:
      if (!dropped) std::memmove(op->to, op->from, op->size);
      break;
    case Op::fill:
      if (!dropped) std::memset(op->to, op->value, op->size);
      break;
    case Op::record:
      reach(op->event, op->size);
      break;
    case Op::wait:
      break;
    }
    free_op(op);
    std::lock_guard guard(s->lock);
    --s->pending;
    ++s->finished;
    s->progress.notify_all();
  }
}

} // namespace

bool begin_inline(Stream *s) {
  check_fork(s);
  uint32_t idle = 0;
  return s->state.compare_exchange_strong(idle, Stream::running, std::memory_order_acquire);
}

void end_inline(Stream *s) {
  uint32_t only = Stream::running;
  if (s->state.compare_exchange_strong(only, 0, std::memory_order_release)) [[likely]]
    return;
  std::unique_lock guard(s->lock);
  ++s->finished;
  if (!s->head) return settle(s);
  s->draining = true;
  s->progress.notify_all();
  guard.unlock();
  if (!s->device->pool.schedule(s)) drain(s);
}

void set_failure(Stream *s, tdriver_status status, const char *text) {
  std::lock_guard guard(s->lock);
  if (s->failure != TDRIVER_OK) return;
  s->failure = status;
  std::snprintf(s->text.text, sizeof(s->text.text), "%s", text);
  s->state.fetch_or(Stream::failed, std::memory_order_release);
}

tdriver_status enqueue(Stream *s, const Op &proto, tdriver_report *report) {
  const bool has_params = proto.kind == Op::launch && proto.config.params_size;
  char *memory =
      static_cast<char *>(std::aligned_alloc(64, (sizeof(Op) + 63 + proto.config.params_size + 63) & ~63u));
  if (!memory) return answer(fail(Code::IO, "no memory for a queued operation"), report);
  Op *op = new (memory) Op(proto);
  op->next = nullptr;
  if (has_params) {
    op->config.params = memory + ((sizeof(Op) + 63) & ~size_t(63));
    std::memcpy(const_cast<void *>(op->config.params), proto.config.params, proto.config.params_size);
  }
  std::unique_lock guard(s->lock);
  if (s->failure != TDRIVER_OK && op->kind != Op::record && op->kind != Op::wait) {
    std::free(op);
    return answer(fail(Code(s->failure), "an earlier launch on this stream failed: %s", s->text.text),
                  report);
  }
  if (op->kernel) op->kernel->in_flight.fetch_add(1, std::memory_order_relaxed);
  if (op->event) op->event->references.fetch_add(1, std::memory_order_relaxed);
  (s->tail ? s->tail->next : s->head) = op;
  s->tail = op;
  ++s->pending;
  uint32_t before = s->state.fetch_or(Stream::attention | Stream::running, std::memory_order_acq_rel);
  if (before & Stream::running) return TDRIVER_OK; // who runs now goes on with it
  s->draining = true;
  guard.unlock();
  if (!s->device->pool.schedule(s)) drain(s);
  return TDRIVER_OK;
}

tdriver_status stream_create(void *device, void **stream, tdriver_report *report) {
  auto *s = new Stream;
  s->device = static_cast<Device *>(device);
  s->run = drain;
  s->generation = fork_generation();
  *stream = s;
  return TDRIVER_OK;
}

tdriver_status stream_synchronize(void *object, tdriver_report *report) {
  auto *s = static_cast<Stream *>(object);
  check_fork(s);
  if (s->state.load(std::memory_order_acquire) == 0) [[likely]]
    return TDRIVER_OK;
  std::unique_lock guard(s->lock);
  uint32_t state = s->state.fetch_or(Stream::attention, std::memory_order_acq_rel);
  bool inline_call = (state & Stream::running) && !s->draining;
  uint64_t target = s->finished + s->pending + inline_call;
  s->progress.wait(guard, [&] {
    return s->finished >= target || !(s->state.load(std::memory_order_acquire) & Stream::running);
  });
  tdriver_status status = s->failure;
  if (status != TDRIVER_OK) {
    *report = s->text;
    s->failure = TDRIVER_OK;
    s->state.fetch_and(~Stream::failed, std::memory_order_release);
  }
  if (!(s->state.load(std::memory_order_acquire) & Stream::running))
    s->state.fetch_and(~Stream::attention, std::memory_order_release);
  return status;
}

tdriver_status stream_query(void *object, tdriver_report *report) {
  auto *s = static_cast<Stream *>(object);
  check_fork(s);
  if (s->state.load(std::memory_order_acquire) == 0) return TDRIVER_OK;
  std::lock_guard guard(s->lock);
  bool letting_go = s->draining && s->pending == 0; // the work is done, only the worker has not left yet
  if ((s->state.load(std::memory_order_acquire) & Stream::running) && !letting_go)
    return answer(fail(Code::BUSY, "the stream has work in flight"), report);
  *report = s->text;
  return s->failure;
}

void stream_destroy(void *object) {
  auto *s = static_cast<Stream *>(object);
  check_fork(s);
  { // Not only the work: the thread that does it must have let go of the stream.
    std::unique_lock guard(s->lock);
    s->state.fetch_or(Stream::attention, std::memory_order_acq_rel);
    s->progress.wait(guard, [&] { return !(s->state.load(std::memory_order_acquire) & Stream::running); });
  }
  delete s;
}

} // namespace tdriver::cpu
