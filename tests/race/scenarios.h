// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Pairs of rules that both forbid a frame, between which a table goes back and forth.
 */
#pragma once

#include "frame.h"

/* Ports of the race's bridge: the first two are bound, the others are not. */
enum { RACE_GUEST, RACE_PEER, RACE_UPLINK, RACE_OTHER, RACE_N_TAPS };

typedef struct {
  const char *name;
  /* What the bindings of both ports say, by turns: rules of the filter "race", and values of IP and MAC (NULL: as
   * RACE_IP and RACE_MAC) of the one that sends or is sent the frame. */
  const char *rules[2];
  const char *ip[2], *mac[2];
  gboolean in;                     /* the frame comes from the uplink and goes to the guest; else the guest sends it */
  gboolean link_local;             /* it goes to the host past the bridge's prerouting */
  gboolean stateful;               /* rules test state: kernels with bridge conntrack only */
  void (*frame)(FrameSpec *spec);  /* makes of an ordinary broadcast the frame that both forbid */
  void (*honest)(FrameSpec *spec); /* one that both accept; NULL: there is none */
  FrameKind kind;
} RaceScenario;

#define RACE_IP "10.0.0.1"
#define RACE_MAC "52:54:00:00:00:01"

extern const RaceScenario race_scenarios[];
extern const guint n_race_scenarios;
