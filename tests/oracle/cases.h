// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The oracle's cases: filters, the ports that they are bound to, and the frames that meet them.
 * The format is described in tests/oracle/README.md.
 */
#pragma once

#include <glib.h>

#include "frame-text.h"

typedef struct {
  char *name; /* as in the case file */
  char *filter;
  GPtrArray *parameters; /* char *: NAME=VALUE */
  guint station;         /* its tap's number in the lab */
} OraclePort;

typedef struct {
  char *id; /* CASE/FROM>TO/NAME: what a verdict and a known difference are found by */
  guint from, to;
  GByteArray *bytes;
  gboolean to_host_stack; /* an IP packet for the host itself: it counts when the host's stack gets it */
  OraclePort *bound[2];   /* ports whose binding it depends on, or NULL; borrowed */
} OracleFrame;

typedef struct {
  char *name;         /* of the file, without .case */
  GPtrArray *filters; /* char *: XML */
  GPtrArray *ports;   /* of OraclePort */
  GPtrArray *frames;  /* of OracleFrame, in the order in which they are sent */
} OracleCase;

typedef struct {
  GPtrArray *cases; /* of OracleCase */
  GArray *stations; /* of FrameStation: the ports of all cases, then peer, peer2, host */
  GPtrArray *names; /* char *: the taps' interface names, without the host */
} OracleCases;

/** Reads the *.case files of @directory whose names begin with @prefix ("" for all). Of @parts
 * parts of about as many ports it takes the one of number @part, from 0. NULL with @error
 * ("FILE:LINE: what"). */
OracleCases *oracle_cases_load(const char *directory, const char *prefix, guint part, guint parts, GError **error);
void oracle_cases_free(OracleCases *cases);
/** The binding document of a port; caller frees. */
char *oracle_port_xml(const OracleCases *cases, const OraclePort *port);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(OracleCases, oracle_cases_free)
