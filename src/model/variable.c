// SPDX-License-Identifier: LGPL-2.1-or-later
// References to variables: $NAME, $NAME[@iterator], $NAME[element].

#include <nwfilter-nft/model.h>

#include <string.h>

static void skip_blanks(const char **text) {
  while (**text == ' ')
    (*text)++;
}

/* Decimal digits only; FALSE when there are none or the number does not fit. */
static gboolean read_index(const char **text, guint *index) {
  guint64 number = 0;
  const char *start = *text;
  for (; g_ascii_isdigit(**text); (*text)++) {
    number = number * 10 + (guint64)(**text - '0');
    if (number > G_MAXUINT32)
      return FALSE;
  }
  *index = (guint)number;
  return *text > start;
}

/* "[@k]" or "[n]"; blanks as the schema allows them. */
static gboolean read_access(const char **text, NwfVariable *variable) {
  (*text)++;
  skip_blanks(text);
  variable->element = **text != '@';
  if (!variable->element)
    (*text)++;
  skip_blanks(text);
  if (!read_index(text, &variable->index))
    return FALSE;
  skip_blanks(text);
  if (**text != ']')
    return FALSE;
  (*text)++;
  return TRUE;
}

NwfVariable *nwf_variable_parse(const char *text, GError **error) {
  g_autoptr(NwfVariable) variable = g_new0(NwfVariable, 1);
  const char *at = text;
  gboolean good = *at == '$';
  if (good) {
    at++;
    skip_blanks(&at);
    gsize length = strspn(at, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_");
    variable->name = g_strndup(at, length);
    at += length;
    good = length > 0;
  }
  if (good && *at == '[')
    good = read_access(&at, variable);
  if (good)
    skip_blanks(&at);
  if (!good || *at != '\0') {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID,
                "'%.64s' is not a variable: $NAME, $NAME[@iterator] or $NAME[element] is wanted", text);
    return NULL;
  }
  if (!variable->element && variable->index > NWF_ITERATOR_MAX) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "'%.64s' has an iterator above %d", text, NWF_ITERATOR_MAX);
    return NULL;
  }
  return g_steal_pointer(&variable);
}

char *nwf_variable_format(const NwfVariable *variable) {
  if (!variable->element && variable->index == 0)
    return g_strdup_printf("$%s", variable->name);
  return g_strdup_printf("$%s[%s%u]", variable->name, variable->element ? "" : "@", variable->index);
}

void nwf_variable_free(NwfVariable *variable) {
  if (variable == NULL)
    return;
  g_free(variable->name);
  g_free(variable);
}
