// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libvirt/log.h"
#include "libvirt/symbols.h"

#include <string.h>

static virLogSource source = {.name = "nwfilter.nft", .priority = NWF_VIR_LOG_ERROR};

void nwf_log(NwfLogLevel level, const char *message) {
  static const int priorities[] = {
      [NWF_LOG_DEBUG] = NWF_VIR_LOG_DEBUG,
      [NWF_LOG_INFO] = NWF_VIR_LOG_INFO,
      [NWF_LOG_WARNING] = NWF_VIR_LOG_WARN,
      [NWF_LOG_ERROR] = NWF_VIR_LOG_ERROR,
  };
  nwf_libvirt.virLogMessage(&source, priorities[level], __FILE__, __LINE__, "nwfilter", NULL, "%s", message);
}

void nwf_logf(NwfLogLevel level, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  nwf_log(level, message);
}

void nwf_report_at(const char *file, const char *function, gsize line, int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  nwf_libvirt.virReportErrorHelper(VIR_FROM_NWFILTER, code, file, function, line, "%s", message);
}

typedef struct {
  int from, to;
} CodeMap;

/* What libvirt's own driver says in the same case; where it calls a bad document an internal error, XML_ERROR. */
static const CodeMap model_codes[] = {
    {NWF_ERROR_XML, VIR_ERR_XML_DETAIL},
    {NWF_ERROR_INVALID, VIR_ERR_XML_ERROR},
    {NWF_ERROR_MISSING_FILTER, VIR_ERR_INTERNAL_ERROR},
    {NWF_ERROR_LOOP, VIR_ERR_OPERATION_FAILED},
    {NWF_ERROR_MISSING_VARIABLE, VIR_ERR_INTERNAL_ERROR},
    {NWF_ERROR_UNSUPPORTED, VIR_ERR_CONFIG_UNSUPPORTED},
    {NWF_ERROR_LIMIT, VIR_ERR_CONFIG_UNSUPPORTED},
    {NWF_ERROR_KERNEL, VIR_ERR_OPERATION_FAILED},
    {NWF_ERROR_CHANGED, VIR_ERR_OPERATION_FAILED},
    {NWF_ERROR_IO, VIR_ERR_SYSTEM_ERROR},
};

static const CodeMap engine_codes[] = {
    {NWF_ENGINE_ERROR_NO_FILTER, VIR_ERR_NO_NWFILTER},    {NWF_ENGINE_ERROR_NO_BINDING, VIR_ERR_NO_NWFILTER_BINDING},
    {NWF_ENGINE_ERROR_IN_USE, VIR_ERR_OPERATION_INVALID}, {NWF_ENGINE_ERROR_CLASH, VIR_ERR_OPERATION_FAILED},
    {NWF_ENGINE_ERROR_EXISTS, VIR_ERR_OPERATION_FAILED},
};

static int find_code(const CodeMap *map, gsize length, int from) {
  for (gsize i = 0; i < length; i++)
    if (map[i].from == from)
      return map[i].to;
  return VIR_ERR_INTERNAL_ERROR;
}

static int code_of(const GError *error) {
  if (g_error_matches(error, NWF_ERROR, NWF_ERROR_XML) && strstr(error->message, "not well-formed") == NULL)
    return VIR_ERR_XML_ERROR; /* another document than the one expected */
  if (error->domain == NWF_ERROR)
    return find_code(model_codes, G_N_ELEMENTS(model_codes), error->code);
  if (error->domain == NWF_ENGINE_ERROR)
    return find_code(engine_codes, G_N_ELEMENTS(engine_codes), error->code);
  return error->domain == G_FILE_ERROR ? VIR_ERR_SYSTEM_ERROR : VIR_ERR_INTERNAL_ERROR;
}

void nwf_report_error_at(const char *file, const char *function, gsize line, GError *error) {
  nwf_report_at(file, function, line, code_of(error), "%s", error->message);
  g_error_free(error);
}

gboolean nwf_check_flags(unsigned int flags, unsigned int allowed, const char *function) {
  if ((flags & ~allowed) == 0)
    return TRUE;
  nwf_libvirt.virRaiseErrorFull(__FILE__, function, __LINE__, VIR_FROM_NWFILTER, VIR_ERR_INVALID_ARG, VIR_ERR_ERROR,
                                "flags", NULL, NULL, 0, 0, "unsupported flags (0x%x) in function %s", flags & ~allowed,
                                function);
  return FALSE;
}
