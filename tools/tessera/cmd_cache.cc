// SPDX-License-Identifier: MIT
// `tessera cache path|stat|list|verify|prune|clear`.
#include "commands.hh"
#include "common/knobs.hh"
#include "tcache/store.h"
#include <cstdio>
#include <cstring>
#include <ctime>

namespace tool {

static constexpr Flag flags[] = {
    {"--dir", "FOLDER", "the cache's folder (default: TESSERA_CACHE_DIR, else the user's cache)"},
    {"--max-bytes", "N", "prune: keep at most so many bytes (suffixes K, M, G)"},
    {"--max-entries", "N", "prune: keep at most so many entries"},
    {"--repair", nullptr, "verify: move bad entries to quarantine"},
};

static int failed(tcache_status status) {
  return error(status == TCACHE_INVALID_ARGUMENT || status == TCACHE_NOT_FOUND || status == TCACHE_PARSE ? exit_input : exit_runtime, "%s", tcache_last_message());
}

static void log(void *, uint32_t level, const char *text) {
  if (level <= TCACHE_LOG_WARNING) std::fprintf(stderr, "%s: %s\n", level == TCACHE_LOG_ERROR ? "error" : "warning", text);
}

static int print_entry(void *, const tcache_entry *entry) {
  char hex[65], when[32] = "never";
  tcache_key_to_hex(&entry->key, hex);
  time_t seconds = time_t(entry->last_use_ns / 1000000000);
  tm t;
  if (localtime_r(&seconds, &t)) std::strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &t);
  std::printf("%s %10llu  %s%s\n", hex, (unsigned long long)entry->size, when, entry->layer ? "  (upper)" : "");
  return 0;
}

static int print_stat(tcache_store *store) {
  tcache_stats s = TCACHE_STATS_INIT;
  if (tcache_status status = tcache_stat(store, &s); status != TCACHE_OK) return failed(status);
  static constexpr const char *disk[] = {"not used", "read only", "read and written"};
  std::printf("path        %s\n", tcache_dir(store));
  std::printf("disk        %s\n", s.disk < 3 ? disk[s.disk] : "?");
  std::printf("entries     %llu of at most %llu\n", (unsigned long long)s.entries, (unsigned long long)s.max_entries);
  std::printf("bytes       %llu of at most %llu\n", (unsigned long long)s.bytes, (unsigned long long)s.max_bytes);
  std::printf("quarantine  %llu\n", (unsigned long long)s.quarantine_entries);
  return exit_good;
}

static int verify(tcache_store *store, bool repair) {
  uint64_t checked = 0, bad = 0;
  auto tell = [](void *, const tcache_key *, const char *path, const char *message) { std::printf("bad  %s: %s\n", path, message); };
  if (tcache_status status = tcache_verify(store, repair ? uint32_t(TCACHE_VERIFY_REPAIR) : 0u, tell, nullptr, &checked, &bad); status != TCACHE_OK) return failed(status);
  std::printf("%llu checked, %llu bad\n", (unsigned long long)checked, (unsigned long long)bad);
  return bad ? exit_differ : exit_good;
}

static int prune(tcache_store *store, const Options &options) {
  uint64_t bytes = TCACHE_NO_LIMIT, entries = TCACHE_NO_LIMIT, gone = 0, freed = 0;
  const char *b = options.get("--max-bytes"), *e = options.get("--max-entries");
  if (!b && !e) return error(exit_input, "tessera cache prune: expected --max-bytes N or --max-entries N");
  if (b && !tessera::parse_size(b, &bytes)) return error(exit_input, "--max-bytes '%s' is not a size, expected digits and K, M or G", b);
  if (e && !parse_u64(e, &entries)) return error(exit_input, "--max-entries '%s' is not a number", e);
  if (tcache_status status = tcache_prune(store, bytes, entries, &gone, &freed); status != TCACHE_OK) return failed(status);
  std::printf("%llu entries removed, %llu bytes\n", (unsigned long long)gone, (unsigned long long)freed);
  return exit_good;
}

static int run(const Options &options) {
  if (options.positional.size() != 1)
    return error(exit_input, "tessera cache: expected one of path, stat, list, verify, prune, clear");
  const std::string &action = options.positional[0];
  static constexpr const char *actions[] = {"path", "stat", "list", "verify", "prune", "clear"};
  bool known = false;
  for (const char *a : actions) known |= action == a;
  if (!known) return error(exit_input, "tessera cache: unknown action '%s', expected one of path, stat, list, verify, prune, clear", action.c_str());
  bool changes = action == "prune" || action == "clear" || (action == "verify" && options.has("--repair"));
  tcache_open_params params = TCACHE_OPEN_PARAMS_INIT;
  params.dir = options.get("--dir");
  params.log = log;
  params.flags = TCACHE_OPEN_NO_MEMORY | (changes ? 0u : unsigned(TCACHE_OPEN_READ_ONLY));
  tcache_store *store = nullptr;
  if (tcache_status status = tcache_open(&params, &store); status != TCACHE_OK) return failed(status);
  int code = exit_good;
  if (changes && tcache_note(store)[0]) code = error(exit_runtime, "%s", tcache_note(store));
  else if (action == "path") std::printf("%s\n", tcache_dir(store));
  else if (action == "stat") code = print_stat(store);
  else if (action == "list") {
    if (tcache_status status = tcache_list(store, print_entry, nullptr); status != TCACHE_OK) code = failed(status);
  } else if (action == "verify") code = verify(store, options.has("--repair"));
  else if (action == "prune") code = prune(store, options);
  else if (tcache_status status = tcache_clear(store); status != TCACHE_OK) code = failed(status);
  tcache_close(store);
  return code;
}

const Command cache_command = {"cache", "path|stat|list|verify|prune|clear [OPTION]...", "Looks at the cache of compiled kernels, checks it, or makes it smaller.",
                               "verify ends with 3 when an entry is bad.\n", flags, sizeof(flags) / sizeof(flags[0]), run};

} // namespace tool
