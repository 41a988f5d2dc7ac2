// SPDX-License-Identifier: MIT
#include "driver.hh"

using namespace tdriver;
namespace api = tessera::api;

namespace {

Status check_stream(tdriver_stream *stream) {
  TESSERA_TRY(expect(stream, tag_stream, "stream"));
  if (!stream->device->backend->graph_begin)
    return fail(Code::UNSUPPORTED, "device \"%s\" has no graphs", stream->device->name.c_str());
  if (stream->is_default)
    return fail(Code::INVALID_ARGUMENT, "a device's default stream cannot record a graph: make a stream");
  return {};
}

} // namespace

extern "C" {

tdriver_status tdriver_graph_begin(tdriver_stream *stream) {
  TDRIVER_CHECK(check_stream(stream));
  tdriver_report report;
  report.text[0] = 0;
  return api::done(from_backend(stream->device->backend->graph_begin(stream->impl, &report), report,
                                "beginning a graph"));
}

tdriver_status tdriver_graph_end(tdriver_stream *stream, tdriver_graph **graph) {
  TDRIVER_CHECK(check_stream(stream));
  if (!graph) return api::error(Code::INVALID_ARGUMENT, "graph is NULL");
  tdriver_report report;
  report.text[0] = 0;
  void *impl = nullptr;
  TDRIVER_CHECK(from_backend(stream->device->backend->graph_end(stream->impl, &impl, &report), report,
                             "ending a graph"));
  auto *g = new tdriver_graph;
  g->impl = impl;
  g->device = retain(stream->device);
  *graph = g;
  return TDRIVER_OK;
}

tdriver_status tdriver_graph_launch(tdriver_graph *graph, tdriver_stream *stream) {
  TDRIVER_CHECK(expect(graph, tag_graph, "graph"));
  TDRIVER_CHECK(pick_stream(stream, graph->device, &stream));
  tdriver_report report;
  report.text[0] = 0;
  return api::done(from_backend(graph->device->backend->graph_launch(graph->impl, stream->impl, &report), report,
                                "launching a graph"));
}

void tdriver_graph_destroy(tdriver_graph *graph) { release(graph); }

} // extern "C"
