// SPDX-License-Identifier: MIT
#include "cuda.hh"

namespace tdriver::cuda {

namespace {

/// What a recording made for itself goes back.
void give_back(Device *d, std::vector<CUdeviceptr> *memory, std::vector<uint32_t> *slots) {
  for (CUdeviceptr p : *memory) api.cuMemFree(p);
  std::lock_guard guard(d->primary->lock);
  Records &r = d->primary->records;
  for (uint32_t slot : *slots) {
    if (!r.uses) break;
    r.uses[slot].kernel.store(nullptr, std::memory_order_relaxed);
    r.free_kept.push_back(slot);
  }
  memory->clear();
  slots->clear();
}

} // namespace

tdriver_status graph_begin(void *object, tdriver_report *report) {
  auto *s = static_cast<Stream *>(object);
  Device *d = s->device;
  if (d->blocked()) return refuse(d, report);
  if (is_capturing(s)) return answer(fail(Code::BUSY, "the stream is recording a graph already"), report);
  Current current(d->context);
  if (CUresult e = api.cuStreamBeginCapture(s->handle, capture_relaxed); e != success)
    return failed(d, e, "cuStreamBeginCapture", nullptr, false, report);
  s->capturing.store(true);
  return TDRIVER_OK;
}

tdriver_status graph_end(void *object, void **out, tdriver_report *report) {
  auto *s = static_cast<Stream *>(object);
  Device *d = s->device;
  if (forked()) return refuse(d, report);
  if (!s->capturing.load())
    return answer(fail(Code::INVALID_ARGUMENT, "the stream is not recording: expected tdriver_graph_begin before"),
                  report);
  Current current(d->context);
  CUgraph graph = nullptr;
  CUresult e = api.cuStreamEndCapture(s->handle, &graph);
  s->capturing.store(false);
  auto g = std::make_unique<Graph>();
  g->device = d;
  {
    std::lock_guard guard(s->lock);
    g->memory.swap(s->captured_memory);
  }
  {
    std::lock_guard guard(d->primary->lock); // take_record writes under it
    g->slots.swap(s->captured_slots);
  }
  const char *what = "cuStreamEndCapture";
  if (e == success) {
    what = "cuGraphInstantiateWithFlags";
    e = api.cuGraphInstantiateWithFlags(&g->exec, graph, 0);
  }
  if (graph) api.cuGraphDestroy(graph);
  if (e != success) {
    give_back(d, &g->memory, &g->slots);
    return failed(d, e, what, nullptr, false, report);
  }
  *out = g.release();
  return TDRIVER_OK;
}

tdriver_status graph_launch(void *object, void *stream, tdriver_report *report) {
  auto *g = static_cast<Graph *>(object);
  auto *s = static_cast<Stream *>(stream);
  Device *d = g->device;
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUresult e = api.cuGraphLaunch(g->exec, s->handle);
  return e == success ? TDRIVER_OK : failed(d, e, "cuGraphLaunch", s->last.load(), false, report);
}

void graph_destroy(void *object) {
  auto *g = static_cast<Graph *>(object);
  if (!forked()) {
    Current current(g->device->context);
    if (!g->memory.empty() || !g->slots.empty()) api.cuCtxSynchronize(); // replays may still use them
    api.cuGraphExecDestroy(g->exec);
    give_back(g->device, &g->memory, &g->slots);
  }
  delete g;
}

} // namespace tdriver::cuda
