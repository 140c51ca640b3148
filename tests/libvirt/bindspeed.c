// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bindspeed URI PORTS: how long libvirt's calls take beside that many bound ports.
 *
 * Taps called speed0, speed1 ... must be there, one more than PORTS. All but the last are bound to clean-traffic;
 * then the last is bound and unbound again and again, and clean-traffic is defined again. Bindings stay. Prints JSON
 * with milliseconds.
 */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 51, DEFINITIONS = 11, XML_LEN = 1024 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static bool bind_port(virConnectPtr conn, unsigned number) {
  char xml[XML_LEN];
  snprintf(xml, sizeof xml,
           "<filterbinding><owner><name>guest%u</name><uuid>5f0e5f4a-6c3d-4f0e-9f0c-%012x</uuid></owner>"
           "<portdev name='speed%u'/><mac address='52:54:00:00:%02x:%02x'/><filterref filter='clean-traffic'>"
           "<parameter name='IP' value='10.%u.%u.1'/></filterref></filterbinding>",
           number, number, number, number >> 8 & 0xff, number & 0xff, number >> 8 & 0xff, number & 0xff);
  virNWFilterBindingPtr binding = virNWFilterBindingCreateXML(conn, xml, 0);
  if (binding)
    virNWFilterBindingFree(binding);
  return binding;
}

static bool unbind_port(virConnectPtr conn, unsigned number) {
  char name[32];
  snprintf(name, sizeof name, "speed%u", number);
  virNWFilterBindingPtr binding = virNWFilterBindingLookupByPortDev(conn, name);
  bool ok = binding && virNWFilterBindingDelete(binding) == 0;
  if (binding)
    virNWFilterBindingFree(binding);
  return ok;
}

static int compare(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t n) {
  qsort(values, n, sizeof *values, compare);
  return values[n / 2];
}

static bool measure_binding(virConnectPtr conn, unsigned number, unsigned rounds) {
  double bind[ROUNDS], unbind[ROUNDS];
  for (unsigned i = 0; i < rounds; i++) {
    double begun = now();
    if (!bind_port(conn, number))
      return false;
    bind[i] = now() - begun;
    begun = now();
    if (!unbind_port(conn, number))
      return false;
    unbind[i] = now() - begun;
  }
  double middle = median(bind, rounds); /* which sorts them */
  printf(", \"bind\": %.3f, \"bind_max\": %.3f", middle, bind[rounds - 1]);
  printf(", \"unbind\": %.3f", median(unbind, rounds));
  return true;
}

/** The filter with a rule more or less each time: a redefinition with the same content would be no work. */
static bool measure_definition(virConnectPtr conn, const char *text, unsigned rounds) {
  double define[DEFINITIONS];
  const char *end = strstr(text, "</filter>");
  for (unsigned i = 0; end && i < rounds; i++) {
    size_t length = (size_t)(end - text);
    char *xml = malloc(length + XML_LEN);
    memcpy(xml, text, length);
    snprintf(xml + length, XML_LEN,
             "<rule action='drop' direction='out' priority='%u'><ip protocol='udp' dstportstart='%u'/></rule></filter>",
             i + 1, i + 1);
    double begun = now();
    virNWFilterPtr filter = virNWFilterDefineXML(conn, xml);
    define[i] = now() - begun;
    free(xml);
    if (!filter)
      return false;
    virNWFilterFree(filter);
  }
  virNWFilterPtr back = virNWFilterDefineXML(conn, text);
  if (!end || !back)
    return false;
  virNWFilterFree(back);
  double middle = median(define, rounds);
  printf(", \"define\": %.3f, \"define_max\": %.3f", middle, define[rounds - 1]);
  return true;
}

static bool measure(virConnectPtr conn, unsigned ports) {
  double begun = now();
  for (unsigned i = 0; i < ports; i++)
    if (!bind_port(conn, i))
      return false;
  printf("{\"ports\": %u, \"bind_all\": %.1f", ports, now() - begun);
  if (!measure_binding(conn, ports, getenv("BINDSPEED_FEW") ? 3 : ROUNDS))
    return false;
  virNWFilterPtr filter = virNWFilterLookupByName(conn, "clean-traffic");
  char *text = filter ? virNWFilterGetXMLDesc(filter, 0) : NULL;
  bool ok = text && measure_definition(conn, text, getenv("BINDSPEED_FEW") ? 1 : DEFINITIONS);
  free(text);
  if (filter)
    virNWFilterFree(filter);
  printf("}\n");
  return ok;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: bindspeed URI PORTS\n", stderr);
    return 2;
  }
  virConnectPtr conn = virConnectOpen(argv[1]);
  bool ok = conn && measure(conn, (unsigned)strtoul(argv[2], NULL, 10));
  if (!ok)
    fprintf(stderr, "bindspeed: %s\n", virGetLastErrorMessage());
  if (conn)
    virConnectClose(conn);
  return ok ? 0 : 1;
}
