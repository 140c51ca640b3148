// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The table as one process's own, against the running kernel, with nft as the other program.
 */
#include "kernel-help.h"

#include <string.h>
#include <unistd.h>

/** An owner in an empty namespace; NULL: the test was skipped. */
static NwfKernel *enter_as_owner(void) {
  NwfKernel *kernel = nwf_test_enter();
  if (!kernel || nwf_kernel_own(kernel))
    return kernel;
  g_test_skip("this kernel has no tables that outlive their owner");
  nwf_kernel_close(kernel);
  return NULL;
}

static NwfKernel *another(void) {
  GError *error = NULL;
  NwfKernel *kernel = nwf_kernel_open(&error);
  g_assert_no_error(error);
  return kernel;
}

static gboolean shell_works(const char *command) {
  g_autofree char *quiet = g_strdup_printf("if %s 2> /dev/null; then echo yes; fi", command);
  g_autofree char *output = nwf_test_shell(quiet);
  return strcmp(output, "yes\n") == 0;
}

static guint32 generation(NwfKernel *kernel) {
  guint32 value = 0;
  g_assert_true(nwf_kernel_generation(kernel, &value, NULL));
  return value;
}

static void assert_owner(NwfKernel *kernel, guint32 expected) {
  guint32 pid;
  char name[16];
  g_assert_cmpint(nwf_kernel_owner(kernel, &pid, name), ==, expected != 0);
  g_assert_cmpuint(pid, ==, expected);
  g_assert_cmpstr(name, ==, expected ? "test-kernel-own" : "");
}

/** What nft shows without the line that holds flags. */
static char *listing(void) {
  return nwf_test_shell("nft -a list table bridge nwfilter | grep -v '^table\\|flags'");
}

static void test_nobody_takes_an_owned_table_away(void) {
  g_autoptr(NwfKernel) kernel = enter_as_owner();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = nwf_test_ports(3);
  assert_owner(kernel, 0);
  nwf_test_install(kernel, want);
  assert_owner(kernel, (guint32)getpid());
  nwf_test_run("nft add table inet other; nft flush ruleset");
  g_assert_true(shell_works("test -z \"$(nft list tables inet)\""));
  g_assert_false(shell_works("nft delete table bridge nwfilter"));
  g_assert_false(shell_works("nft flush table bridge nwfilter"));
  g_assert_false(shell_works("nft insert rule bridge nwfilter prerouting accept"));
  nwf_assert_holds(kernel, want);
  g_assert_cmpuint(nwf_test_install(kernel, want), ==, 0);
}

static void test_the_owner_changes_and_deletes_its_table(void) {
  g_autoptr(NwfKernel) kernel = enter_as_owner();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) few = nwf_test_ports(3), many = nwf_test_ports(300);
  GError *error = NULL;
  nwf_test_install(kernel, few);
  /* as the engine does: without reading */
  g_autoptr(GArray) changes = nwf_ruleset_diff(few, many);
  g_assert_true(nwf_kernel_commit(kernel, changes, generation(kernel), &error));
  g_assert_no_error(error);
  nwf_assert_holds(kernel, many);
  assert_owner(kernel, (guint32)getpid());
  nwf_test_install(kernel, NULL);
  nwf_assert_holds(kernel, NULL);
  nwf_test_install(kernel, few);
  assert_owner(kernel, (guint32)getpid());
}

static void test_others_are_told_who_owns_it(void) {
  g_autoptr(NwfKernel) kernel = enter_as_owner();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = nwf_test_ports(3), less = nwf_test_ports(2);
  nwf_test_install(kernel, want);
  g_autoptr(NwfKernel) other = another();
  g_autofree char *us = g_strdup_printf("process %u (test-kernel-own)", (guint)getpid());
  const NwfRuleset *attempts[] = {less, NULL};
  for (guint i = 0; i < G_N_ELEMENTS(attempts); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_false(nwf_kernel_install(other, attempts[i], NULL, &error));
    g_assert_error(error, NWF_ERROR, NWF_ERROR_KERNEL);
    g_assert_nonnull(strstr(error->message, us));
    g_assert_nonnull(strstr(error->message, "stop it"));
  }
  /* and what would take it over is told the same */
  g_autoptr(GError) error = NULL;
  g_assert_true(nwf_kernel_own(other));
  g_assert_false(nwf_kernel_install(other, less, NULL, &error));
  g_assert_nonnull(strstr(error->message, us));
  nwf_assert_holds(kernel, want);
  /* what needs no change needs no right to it either */
  g_autoptr(NwfKernel) third = another();
  g_assert_cmpuint(nwf_test_install(third, want), ==, 0);
}

static void test_what_an_owner_left_is_taken_over_as_it_is(void) {
  g_autoptr(NwfKernel) first = enter_as_owner();
  if (!first)
    return;
  g_autoptr(NwfRuleset) want = nwf_test_ports(3);
  nwf_test_install(first, want);
  g_autofree char *before = listing();
  nwf_kernel_close(g_steal_pointer(&first));
  g_autoptr(NwfKernel) next = another();
  assert_owner(next, 0);
  nwf_assert_holds(next, want);
  g_assert_true(nwf_kernel_own(next));
  assert_owner(next, (guint32)getpid());
  guint32 taken = generation(next);
  g_assert_cmpuint(nwf_test_install(next, want), ==, 0);
  g_assert_cmpuint(generation(next), ==, taken);
  g_autofree char *after = listing();
  g_assert_cmpstr(after, ==, before);
  nwf_test_run("nft flush ruleset");
  nwf_assert_holds(next, want);
}

static void test_taking_over_keeps_the_mark(void) {
  g_autoptr(NwfKernel) first = enter_as_owner();
  if (!first)
    return;
  static const guint8 stamp[NWF_STAMP_LEN] = "sixteen letters";
  guint8 seen[NWF_STAMP_LEN];
  g_autoptr(NwfRuleset) want = nwf_test_ports(3);
  NwfKernelUpdate update = {.want = want, .stamp = stamp};
  g_assert_true(nwf_kernel_update(first, &update, NULL));
  nwf_kernel_close(g_steal_pointer(&first));
  g_autoptr(NwfKernel) next = another();
  g_assert_true(nwf_kernel_own(next));
  g_assert_true(nwf_kernel_stamp(next, seen));
  g_assert_cmpmem(seen, sizeof seen, stamp, sizeof stamp);
  nwf_test_run("nft add table inet other");
  g_assert_false(nwf_kernel_stamp(next, seen));
}

static void test_others_may_change_what_an_owner_left(void) {
  g_autoptr(NwfKernel) first = enter_as_owner();
  if (!first)
    return;
  g_autoptr(NwfRuleset) want = nwf_test_ports(3), more = nwf_test_ports(4);
  nwf_test_install(first, want);
  nwf_kernel_close(g_steal_pointer(&first));
  g_autoptr(NwfKernel) other = another();
  g_assert_cmpuint(nwf_test_install(other, more), >, 0);
  nwf_assert_holds(other, more);
  assert_owner(other, 0);
  /* it still waits for its next owner */
  g_autoptr(NwfKernel) next = another();
  g_assert_true(nwf_kernel_own(next));
  assert_owner(next, (guint32)getpid());
  g_assert_false(nwf_kernel_install(other, NULL, NULL, NULL));
  nwf_kernel_close(g_steal_pointer(&next));
  nwf_test_install(other, NULL);
  nwf_assert_holds(other, NULL);
}

static void test_a_table_of_nobody_is_replaced_in_one_transaction(void) {
  g_autoptr(NwfKernel) kernel = enter_as_owner();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = nwf_test_ports(3);
  g_autoptr(NwfKernel) other = another();
  nwf_test_install(other, want);
  guint32 before = generation(kernel);
  g_assert_cmpuint(nwf_test_install(kernel, want), >, 0);
  g_assert_cmpuint(generation(kernel), ==, before + 1);
  assert_owner(kernel, (guint32)getpid());
  nwf_assert_holds(kernel, want);
  g_assert_cmpuint(nwf_test_install(kernel, want), ==, 0);
}

/** Left by an owner only after we became one ourselves: its content is what is wanted, its owner is not. */
static void test_what_comes_later_is_taken_over_too(void) {
  g_autoptr(NwfKernel) kernel = enter_as_owner();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = nwf_test_ports(3), more = nwf_test_ports(4);
  g_autoptr(NwfKernel) other = another();
  g_assert_true(nwf_kernel_own(other));
  nwf_test_install(other, want);
  nwf_kernel_close(g_steal_pointer(&other));
  assert_owner(kernel, 0);
  nwf_test_install(kernel, want);
  assert_owner(kernel, (guint32)getpid());
  nwf_test_install(kernel, more);
  nwf_assert_holds(kernel, more);
}

/** A difference from what is there no more must not end in a table that anybody can take away. */
static void test_a_commit_to_a_table_of_nobody_starts_over(void) {
  g_autoptr(NwfKernel) kernel = enter_as_owner();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = nwf_test_ports(3), more = nwf_test_ports(4);
  g_autoptr(NwfKernel) other = another();
  nwf_test_install(other, want);
  g_autoptr(GArray) changes = nwf_ruleset_diff(want, more);
  g_autoptr(GError) error = NULL;
  g_assert_false(nwf_kernel_commit(kernel, changes, 0, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_CHANGED);
  nwf_test_install(kernel, more);
  nwf_assert_holds(kernel, more);
  assert_owner(kernel, (guint32)getpid());
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name_) g_test_add_func("/kernel-owner/" #name_, test_##name_)
  ADD(nobody_takes_an_owned_table_away);
  ADD(the_owner_changes_and_deletes_its_table);
  ADD(others_are_told_who_owns_it);
  ADD(what_an_owner_left_is_taken_over_as_it_is);
  ADD(taking_over_keeps_the_mark);
  ADD(others_may_change_what_an_owner_left);
  ADD(a_table_of_nobody_is_replaced_in_one_transaction);
  ADD(what_comes_later_is_taken_over_too);
  ADD(a_commit_to_a_table_of_nobody_starts_over);
  return g_test_run();
}
