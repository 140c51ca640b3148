// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes the calls of libvirt's nwfilter interface that end in an error, and a few that do not, and prints what came of
// each: one line "NAME: DOMAIN/CODE MESSAGE". What two drivers answer can so be compared line by line.
// The port is a device that is there.
//
//   calls URI PORT

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UUID_A "6f0e0c1e-94a5-4c2f-8a2e-5b8d0d2a0001"
#define UUID_B "6f0e0c1e-94a5-4c2f-8a2e-5b8d0d2a0002"
#define MISSING_UUID "6f0e0c1e-94a5-4c2f-8a2e-5b8d0d2affff"

static virConnectPtr conn;

static void print_flat(const char *text) {
  for (; *text != '\0'; text++)
    putchar(*text == '\n' ? '|' : *text);
  putchar('\n');
}

static void report(const char *name, bool good) {
  const virError *error = virGetLastError();
  if (good || error == NULL) {
    printf("%s: %s\n", name, good ? "good" : "failed without an error");
    return;
  }
  printf("%s: %d/%d ", name, error->domain, error->code);
  print_flat(error->message != NULL ? error->message : "(no message)");
  virResetLastError();
}

static void define_flags(const char *name, unsigned int flags, const char *xml) {
  virNWFilterPtr filter = virNWFilterDefineXMLFlags(conn, xml, flags);
  report(name, filter != NULL);
  if (filter != NULL)
    virNWFilterFree(filter);
}

static void define(const char *name, const char *xml) {
  define_flags(name, 0, xml);
}

static void undefine(const char *name, const char *filter_name) {
  virNWFilterPtr filter = virNWFilterLookupByName(conn, filter_name);
  if (filter == NULL) {
    report(name, false);
    return;
  }
  report(name, virNWFilterUndefine(filter) == 0);
  virNWFilterFree(filter);
}

static void bind_flags(const char *name, unsigned int flags, const char *format, ...) {
  char xml[2048];
  va_list args;
  va_start(args, format);
  vsnprintf(xml, sizeof xml, format, args);
  va_end(args);
  virNWFilterBindingPtr binding = virNWFilterBindingCreateXML(conn, xml, flags);
  report(name, binding != NULL);
  if (binding != NULL)
    virNWFilterBindingFree(binding);
}

#define BINDING_HEAD                                                                                                   \
  "<filterbinding><owner><name>vm</name><uuid>" UUID_A "</uuid></owner><portdev name='%s'/>"                           \
  "<mac address='52:54:00:00:00:01'/>"

static void look_up(void) {
  unsigned char uuid[VIR_UUID_BUFLEN] = {1, 2, 3};
  virNWFilterPtr filter = virNWFilterLookupByName(conn, "nwf-missing");
  report("filter-missing-name", filter != NULL);
  filter = virNWFilterLookupByUUID(conn, uuid);
  report("filter-missing-uuid", filter != NULL);
  virNWFilterBindingPtr binding = virNWFilterBindingLookupByPortDev(conn, "nwf-missing");
  report("binding-missing", binding != NULL);
}

static void flags(const char *port) {
  virNWFilterPtr *filters = NULL;
  virNWFilterBindingPtr *bindings = NULL;
  report("flags-list", virConnectListAllNWFilters(conn, &filters, 5) >= 0);
  report("flags-list-bindings", virConnectListAllNWFilterBindings(conn, &bindings, 1) >= 0);
  define_flags("flags-define", 6, "<filter name='nwf-a'/>");
  bind_flags("flags-bind", 2, BINDING_HEAD "<filterref filter='nwf-a'/></filterbinding>", port);
}

static void documents(void) {
  define("xml-broken", "<filter name='nwf-x'>\n<rule\n</filter>");
  define("xml-empty", "");
  define("xml-other-root", "<network/>");
  define("xml-no-name", "<filter/>");
  define("xml-slash", "<filter name='a/b'/>");
  define("xml-empty-name", "<filter name=''/>");
  define("xml-uuid", "<filter name='nwf-x'><uuid>nonsense</uuid></filter>");
  define("xml-chain", "<filter name='nwf-x' chain='nonsense'/>");
  define("xml-root-prefix", "<filter name='nwf-x' chain='rootless'/>");
  define("xml-long-chain", "<filter name='nwf-x' chain='ipv4-0123456789'/>");
  define("xml-chain-character", "<filter name='nwf-x' chain='ipv4-$'/>");
  define("xml-priority", "<filter name='nwf-x' chain='ipv4' priority='5000'/>");
  define("xml-priority-word", "<filter name='nwf-x' chain='ipv4' priority='high'/>");
  define("xml-action", "<filter name='nwf-x'>\n<rule action='explode' direction='in'/></filter>");
  define("xml-no-action", "<filter name='nwf-x'>\n<rule direction='in'/></filter>");
  define("xml-direction", "<filter name='nwf-x'>\n<rule action='drop' direction='up'/></filter>");
  define("xml-no-direction", "<filter name='nwf-x'>\n<rule action='drop'/></filter>");
  define("xml-value", "<filter name='nwf-x'>\n<rule action='drop' direction='in'>\n"
                      "<mac srcmacaddr='nonsense'/></rule></filter>");
  define("xml-range", "<filter name='nwf-x'>\n<rule action='drop' direction='in'>\n"
                      "<tcp dstportstart='70000'/></rule></filter>");
  define("xml-element", "<filter name='nwf-x'>\n<rule action='drop' direction='in'>\n<nonsense/></rule></filter>");
  define("xml-variable", "<filter name='nwf-x'>\n<rule action='drop' direction='in'>\n"
                         "<tcp dstportstart='$A-B'/></rule></filter>");
  define("xml-reference", "<filter name='nwf-x'><filterref/></filter>");
  undefine("xml-leftover", "nwf-x");
  define_flags("validate-good", VIR_NWFILTER_DEFINE_VALIDATE,
               "<filter name='nwf-v'><uuid>" UUID_B "</uuid><rule action='drop' direction='in'/></filter>");
  define_flags("validate-attribute", VIR_NWFILTER_DEFINE_VALIDATE,
               "<filter name='nwf-v'><rule action='drop' direction='in' colour='red'/></filter>");
  define_flags("validate-broken", VIR_NWFILTER_DEFINE_VALIDATE, "<filter name='nwf-v'>");
  undefine("validate-undefine", "nwf-v");
}

static void names_and_references(void) {
  define("missing-reference", "<filter name='nwf-r'><filterref filter='nwf-missing'/></filter>");
  undefine("missing-reference-leftover", "nwf-r");
  define("loop-self", "<filter name='nwf-l'><filterref filter='nwf-l'/></filter>");
  define("define-a", "<filter name='nwf-a'><uuid>" UUID_A "</uuid></filter>");
  define("define-b", "<filter name='nwf-b'><uuid>" UUID_B "</uuid><filterref filter='nwf-a'/></filter>");
  define("loop-two", "<filter name='nwf-a'><uuid>" UUID_A "</uuid><filterref filter='nwf-b'/></filter>");
  define("clash-name", "<filter name='nwf-a'><uuid>" MISSING_UUID "</uuid></filter>");
  define("clash-uuid", "<filter name='nwf-c'><uuid>" UUID_A "</uuid></filter>");
  define("clash-no-uuid", "<filter name='nwf-a'/>");
  define("same-again", "<filter name='nwf-a'><uuid>" UUID_A "</uuid></filter>");
  undefine("undefine-referenced", "nwf-a");
  define("define-a-again", "<filter name='nwf-a'><uuid>" UUID_A "</uuid></filter>");
  virNWFilterPtr filter = virNWFilterLookupByName(conn, "nwf-b");
  char *xml = filter != NULL ? virNWFilterGetXMLDesc(filter, 4) : NULL;
  report("flags-dump", xml != NULL);
  free(xml);
  xml = filter != NULL ? virNWFilterGetXMLDesc(filter, 0) : NULL;
  printf("dump: ");
  print_flat(xml != NULL ? xml : "none");
  free(xml);
}

static void bindings(const char *port) {
  bind_flags("bind-broken", 0, "<filterbinding>");
  bind_flags("bind-other-root", 0, "<filter name='x'/>");
  bind_flags("bind-no-owner", 0,
             "<filterbinding><portdev name='%s'/><mac address='52:54:00:00:00:01'/>"
             "<filterref filter='nwf-b'/></filterbinding>",
             "nwf-unowned");
  bind_flags("bind-no-portdev", 0,
             "<filterbinding><owner><name>vm</name><uuid>" UUID_A "</uuid></owner>"
             "<mac address='52:54:00:00:00:01'/><filterref filter='nwf-b'/></filterbinding>");
  bind_flags("bind-no-mac", 0,
             "<filterbinding><owner><name>vm</name><uuid>" UUID_A "</uuid></owner><portdev name='%s'/>"
             "<filterref filter='nwf-b'/></filterbinding>",
             port);
  bind_flags("bind-no-filterref", 0, BINDING_HEAD "</filterbinding>", port);
  bind_flags("bind-missing-device", 0, BINDING_HEAD "<filterref filter='nwf-b'/></filterbinding>", "nwf-none");
  virNWFilterBindingPtr without_device = virNWFilterBindingLookupByPortDev(conn, "nwf-none");
  report("delete-missing-device", without_device != NULL && virNWFilterBindingDelete(without_device) == 0);
  if (without_device != NULL)
    virNWFilterBindingFree(without_device);
  bind_flags("bind-missing-filter", 0, BINDING_HEAD "<filterref filter='nwf-missing'/></filterbinding>", port);
  define("define-variable", "<filter name='nwf-d'><rule action='accept' direction='out'>"
                            "<ip srcipaddr='$ADDRESS' protocol='$PROTOCOL'/></rule></filter>");
  bind_flags("bind-missing-variable", 0, BINDING_HEAD "<filterref filter='nwf-d'/></filterbinding>", port);
  bind_flags("bind-validate", VIR_NWFILTER_BINDING_CREATE_VALIDATE,
             BINDING_HEAD "<filterref filter='nwf-b'/><nonsense/></filterbinding>", port);
  bind_flags("bind-good", VIR_NWFILTER_BINDING_CREATE_VALIDATE,
             BINDING_HEAD "<filterref filter='nwf-b'/></filterbinding>", port);
  bind_flags("bind-exists", 0, BINDING_HEAD "<filterref filter='nwf-b'/></filterbinding>", port);
  undefine("undefine-bound", "nwf-b");
  define("redefine-bound-loop", "<filter name='nwf-b'><uuid>" UUID_B "</uuid><filterref filter='nwf-b'/></filter>");
  define("redefine-bound-variable", "<filter name='nwf-b'><uuid>" UUID_B "</uuid><filterref filter='nwf-d'/></filter>");
}

static void stale_handles(const char *port) {
  virNWFilterBindingPtr binding = virNWFilterBindingLookupByPortDev(conn, port);
  if (binding == NULL) {
    report("stale-binding", false);
    return;
  }
  printf("binding-head: %s\n", virNWFilterBindingGetFilterName(binding));
  char *xml = virNWFilterBindingGetXMLDesc(binding, 2);
  report("flags-dump-binding", xml != NULL);
  free(xml);
  xml = virNWFilterBindingGetXMLDesc(binding, 0);
  printf("dump-binding: ");
  print_flat(xml != NULL ? xml : "none");
  free(xml);
  report("binding-delete", virNWFilterBindingDelete(binding) == 0);
  report("stale-binding-delete", virNWFilterBindingDelete(binding) == 0);
  report("stale-binding-dump", virNWFilterBindingGetXMLDesc(binding, 0) != NULL);
  virNWFilterBindingFree(binding);
  virNWFilterPtr filter = virNWFilterLookupByName(conn, "nwf-b");
  report("undefine", filter != NULL && virNWFilterUndefine(filter) == 0);
  report("stale-undefine", filter != NULL && virNWFilterUndefine(filter) == 0);
  report("stale-dump", filter != NULL && virNWFilterGetXMLDesc(filter, 0) != NULL);
  if (filter != NULL)
    virNWFilterFree(filter);
}

static void clean_up(void) {
  undefine("undefine-a", "nwf-a");
  undefine("undefine-d", "nwf-d");
  char *names[3] = {NULL};
  int n = virConnectListNWFilters(conn, names, 2);
  printf("list-two: %d\n", n);
  for (int i = 0; i < n; i++)
    free(names[i]);
  printf("list-consistent: %s\n", virConnectNumOfNWFilters(conn) >= n ? "yes" : "no");
}

static void connections(void) {
  static const char *const uris[] = {"nwfilter:///session", "nwfilter:///nonsense", "nwfilter:///"};
  for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
    virConnectPtr other = virConnectOpen(uris[i]);
    report(uris[i], other != NULL);
    if (other != NULL)
      virConnectClose(other);
  }
  printf("secure %d, encrypted %d, alive %d\n", virConnectIsSecure(conn), virConnectIsEncrypted(conn),
         virConnectIsAlive(conn));
  virConnectPtr reader = virConnectOpenReadOnly("nwfilter:///system");
  report("read-only-open", reader != NULL);
  if (reader == NULL)
    return;
  report("read-only-define", virNWFilterDefineXML(reader, "<filter name='nwf-a'/>") != NULL);
  report("read-only-count", virConnectNumOfNWFilters(reader) >= 0);
  virConnectClose(reader);
}

static void ignore(void *data, virErrorPtr error) {
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: calls URI PORT\n");
    return 2;
  }
  virSetErrorFunc(NULL, ignore);
  conn = virConnectOpen(argv[1]);
  report("open", conn != NULL);
  if (conn == NULL)
    return 1;
  look_up();
  flags(argv[2]);
  documents();
  names_and_references();
  bindings(argv[2]);
  stale_handles(argv[2]);
  clean_up();
  connections();
  virConnectClose(conn);
  return 0;
}
