// SPDX-License-Identifier: LGPL-2.1-or-later
/** Documents that callers hand in. Both functions set libvirt's error and return NULL when one is not taken. */
#pragma once

#include <nwfilter-nft/model.h>

/** Reads a <filter>; with @validate it must also be valid by libvirt's schema. */
NwfFilter *nwf_document_filter(const char *xml, gboolean validate);
/** Reads a <filterbinding>, likewise. */
NwfBinding *nwf_document_binding(const char *xml, gboolean validate);
