// SPDX-License-Identifier: LGPL-2.1-or-later
// Parameters: names with lists of values.

#include <nwfilter-nft/model.h>

#include <arpa/inet.h>
#include <string.h>

#define NAME_CHARACTERS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_"
#define VALUE_CHARACTERS NAME_CHARACTERS ".:"

typedef struct {
  char *name;
  GPtrArray *values; /* of char *, owned */
} Entry;

struct NwfParameters {
  GPtrArray *entries;  /* of Entry *, owned, in the order given */
  GHashTable *by_name; /* name -> Entry *, both borrowed from entries */
  GArray *passed_over; /* of NwfPassedOver, in the order given; NULL: none */
};

static void entry_free(gpointer data) {
  Entry *entry = data;
  g_free(entry->name);
  g_ptr_array_unref(entry->values);
  g_free(entry);
}

static void passed_over_clear(gpointer data) {
  NwfPassedOver *passed_over = data;
  g_free(passed_over->name);
  g_free(passed_over->value);
}

NwfParameters *nwf_parameters_new(void) {
  NwfParameters *parameters = g_new0(NwfParameters, 1);
  parameters->entries = g_ptr_array_new_with_free_func(entry_free);
  parameters->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  return parameters;
}

void nwf_parameters_free(NwfParameters *parameters) {
  if (parameters == NULL)
    return;
  g_hash_table_unref(parameters->by_name);
  g_ptr_array_unref(parameters->entries);
  g_clear_pointer(&parameters->passed_over, g_array_unref);
  g_free(parameters);
}

static Entry *find_or_add(NwfParameters *parameters, const char *name) {
  Entry *entry = g_hash_table_lookup(parameters->by_name, name);
  if (entry != NULL)
    return entry;
  entry = g_new0(Entry, 1);
  entry->name = g_strdup(name);
  entry->values = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(parameters->entries, entry);
  g_hash_table_insert(parameters->by_name, entry->name, entry);
  return entry;
}

static void copy_values(GPtrArray *to, const GPtrArray *from) {
  for (guint i = 0; i < from->len; i++)
    g_ptr_array_add(to, g_strdup(g_ptr_array_index(from, i)));
}

NwfParameters *nwf_parameters_copy(const NwfParameters *parameters) {
  NwfParameters *copy = nwf_parameters_new();
  for (guint i = 0; i < parameters->entries->len; i++) {
    const Entry *entry = g_ptr_array_index(parameters->entries, i);
    copy_values(find_or_add(copy, entry->name)->values, entry->values);
  }
  for (guint i = 0; i < nwf_parameters_n_passed_over(parameters); i++) {
    const NwfPassedOver *passed_over = nwf_parameters_passed_over(parameters, i);
    nwf_parameters_pass_over(copy, passed_over->name, passed_over->value, passed_over->line);
  }
  return copy;
}

/* ADDRESS/LENGTH with no bit set behind the prefix: an interface's address with its network's length, 10.0.0.5/24, is
 * no prefix, and read as one would let a guest have all of its network. */
static gboolean is_prefix(const char *value) {
  guint8 bytes[16];
  guint64 prefix;
  const char *slash = strchr(value, '/');
  if (slash == NULL)
    return FALSE;
  g_autofree char *address = g_strndup(value, (gsize)(slash - value));
  guint bits = inet_pton(AF_INET, address, bytes) == 1 ? 32 : inet_pton(AF_INET6, address, bytes) == 1 ? 128 : 0;
  if (bits == 0 || !g_ascii_string_to_unsigned(slash + 1, 10, 1, bits, &prefix, NULL))
    return FALSE;
  for (guint i = (guint)prefix; i < bits; i++)
    if ((bytes[i / 8] & 0x80 >> i % 8) != 0)
      return FALSE;
  return TRUE;
}

gboolean nwf_parameters_add(NwfParameters *parameters, const char *name, const char *value, GError **error) {
  if (*name == '\0' || name[strspn(name, NAME_CHARACTERS)] != '\0') {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID,
                "parameter name '%.64s' is empty or holds other characters than letters, digits and _", name);
    return FALSE;
  }
  if ((*value == '\0' || value[strspn(value, VALUE_CHARACTERS)] != '\0') && !is_prefix(value)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID,
                "parameter %.64s has value '%.64s', which is empty or holds other characters than letters, digits "
                "and _ . :, and is no prefix (an address with / and a length, and no bit set behind that)",
                name, value);
    return FALSE;
  }
  g_ptr_array_add(find_or_add(parameters, name)->values, g_strdup(value));
  return TRUE;
}

const GPtrArray *nwf_parameters_get(const NwfParameters *parameters, const char *name) {
  const Entry *entry = g_hash_table_lookup(parameters->by_name, name);
  return entry != NULL ? entry->values : NULL;
}

void nwf_parameters_set(NwfParameters *parameters, const char *name, const GPtrArray *values) {
  if (values == NULL) {
    Entry *entry = g_hash_table_lookup(parameters->by_name, name);
    if (entry == NULL)
      return;
    g_hash_table_remove(parameters->by_name, name);
    g_ptr_array_remove(parameters->entries, entry);
    return;
  }
  /* the new list may be the old one, so it is copied before that is freed */
  g_autoptr(GPtrArray) copy = g_ptr_array_new_with_free_func(g_free);
  copy_values(copy, values);
  Entry *entry = find_or_add(parameters, name);
  GPtrArray *old = entry->values;
  entry->values = g_steal_pointer(&copy);
  g_ptr_array_unref(old);
}

guint nwf_parameters_count(const NwfParameters *parameters) {
  return parameters->entries->len;
}

const char *nwf_parameters_name(const NwfParameters *parameters, guint n) {
  g_return_val_if_fail(n < parameters->entries->len, NULL);
  const Entry *entry = g_ptr_array_index(parameters->entries, n);
  return entry->name;
}

void nwf_parameters_pass_over(NwfParameters *parameters, const char *name, const char *value, guint line) {
  NwfPassedOver passed_over = {.name = g_strdup(name), .value = g_strdup(value), .line = line};
  if (parameters->passed_over == NULL) {
    parameters->passed_over = g_array_new(FALSE, FALSE, sizeof(NwfPassedOver));
    g_array_set_clear_func(parameters->passed_over, passed_over_clear);
  }
  g_array_append_val(parameters->passed_over, passed_over);
}

guint nwf_parameters_n_passed_over(const NwfParameters *parameters) {
  return parameters->passed_over != NULL ? parameters->passed_over->len : 0;
}

const NwfPassedOver *nwf_parameters_passed_over(const NwfParameters *parameters, guint n) {
  g_return_val_if_fail(n < nwf_parameters_n_passed_over(parameters), NULL);
  return &g_array_index(parameters->passed_over, NwfPassedOver, n);
}

static gboolean passed_over_equal(const NwfParameters *a, const NwfParameters *b) {
  guint n = nwf_parameters_n_passed_over(a);
  if (n != nwf_parameters_n_passed_over(b))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    const NwfPassedOver *left = nwf_parameters_passed_over(a, i), *right = nwf_parameters_passed_over(b, i);
    if (strcmp(left->name, right->name) != 0 || strcmp(left->value, right->value) != 0)
      return FALSE;
  }
  return TRUE;
}

static gboolean values_equal(const GPtrArray *a, const GPtrArray *b) {
  if (b == NULL || a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (strcmp(g_ptr_array_index(a, i), g_ptr_array_index(b, i)) != 0)
      return FALSE;
  return TRUE;
}

gboolean nwf_parameters_equal(const NwfParameters *a, const NwfParameters *b) {
  if (a->entries->len != b->entries->len || !passed_over_equal(a, b))
    return FALSE;
  for (guint i = 0; i < a->entries->len; i++) {
    const Entry *entry = g_ptr_array_index(a->entries, i);
    if (!values_equal(entry->values, nwf_parameters_get(b, entry->name)))
      return FALSE;
  }
  return TRUE;
}
