// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What the files of this floor share: the socket, a batch of messages, the decoder.
 *
 * Attribute numbers are those of linux/netfilter/nf_tables.h; the layout of user data is nft's
 * own (libnftnl's udata.h), since nft prints from it.
 */
#pragma once

#include "kernel/kernel.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

struct NwfKernel {
  struct mnl_socket *socket;
  guint32 portid;
  guint32 seq;     /* of the next message */
  guint8 *receive; /* NWF_RECEIVE_SIZE bytes */
  gboolean unsure; /* whether the last batch holds is not known, as its answer could not be read */

  /* owner.c */
  gboolean own;    /* the table is to be this socket's */
  gboolean owns;   /* it is */
  guint32 adopted; /* the generation that taking the table over made, which changed nothing in it; 0: none did */
};

#define NWF_RECEIVE_SIZE (1u << 20)

/* Kinds of user data (type, length, value), libnftnl/udata.h. */
enum {
  NWF_UDATA_COMMENT = 0,           /* of rules, elements, tables and chains */
  NWF_UDATA_ELEMENT_FLAGS = 1,     /* of elements */
  NWF_UDATA_INTERVAL_OPEN = 1,     /* the flag: an interval that has no end marker */
  NWF_UDATA_MARK = 0x6e,           /* of rules: ours, see mark.c; nft passes over what it does not know */
  NWF_UDATA_SET_KEY_BYTEORDER = 0, /* of sets, from here on */
  NWF_UDATA_SET_DATA_BYTEORDER = 1,
  NWF_UDATA_SET_KEY_TYPEOF = 3,
  NWF_UDATA_SET_DATA_INTERVAL = 6,
  NWF_UDATA_SET_COMMENT = 7,
};

#define NWF_SET_DATA_VERDICT 0xffffff00u /* NFT_DATA_VERDICT */
#define NWF_SET_TYPE_BITS 6              /* nft: a concatenation's type is its parts' types, six bits each */
#define NWF_SET_TYPE_INTEGER 4           /* nft: TYPE_INTEGER */
#define NWF_SET_TYPE_INET_PROTOCOL 12    /* nft: TYPE_INET_PROTOCOL */

/* linux/netfilter/nf_tables.h from 6.9 on: NFT_TABLE_F_PERSIST, the table outlives its owner. */
#define NWF_TABLE_PERSIST 0x4u
#define NWF_TABLE_OWNED (NFT_TABLE_F_OWNER | NWF_TABLE_PERSIST)

/* The kernel's NFT_RULE_MAXEXPRS (net/netfilter/nf_tables_api.c): more and a rule is refused. */
#define NWF_RULE_EXPRS_MAX 128
/* Room that every message begun may fill: an attribute's length has 16 bits. */
#define NWF_MESSAGE_MAX (64u << 10)
/* Elements go into messages of about this size. */
#define NWF_ELEMENTS_SIZE (32u << 10)

/* --- socket.c: requests --- */

void nwf_kernel_error(GError **error, int code, const char *what);
/** Sends a request and calls @callback for each message of the answer. FALSE with errno in @code (EINTR: somebody
 * changed what was dumped, so the answer is worth nothing). */
gboolean nwf_kernel_talk(NwfKernel *kernel, struct nlmsghdr *request, mnl_cb_t callback, gpointer data, int *code);
/** Reads what waits into kernel->receive, again when that fails for a reason of the moment. As recv(2) otherwise. */
ssize_t nwf_kernel_receive(NwfKernel *kernel, int flags);
/** Begins a request in @buffer (MNL_SOCKET_BUFFER_SIZE bytes). */
struct nlmsghdr *nwf_kernel_request(NwfKernel *kernel, void *buffer, guint subsystem, guint message, guint flags,
                                    guint family);

/* --- batch.c: many messages that hold or fall together --- */

/** Where a message comes from, to name the culprit when the kernel refuses it. */
typedef struct {
  gsize offset; /* in the batch */
  guint change; /* index in the changes; NWF_ORIGIN_TABLE: none of them, but the table they are made to */
  guint item;   /* of its chain's rules, of its set's elements, or more changes on: the first element */
} NwfOrigin;

#define NWF_ORIGIN_TABLE G_MAXUINT

/** What a batch leaves in the first rule of one chain (mark.c). All zero: nothing. */
typedef struct {
  guint64 key[2];
  guint64 hash;
  guint32 generation;
  guint32 unused; /* 0 */
  guint8 stamp[NWF_STAMP_LEN];
} NwfMark;

typedef struct {
  guint8 *data;
  gsize length;
  gsize size;
  const NwfMark *mark;    /* borrowed, or NULL */
  const NwfChain *marked; /* the chain whose first rule gets it */
  guint32 seq;            /* of the message that begins the batch; message i of @origins has seq + 1 + i */
  guint32 table_flags;    /* of a table that is added */
  gboolean replaces;      /* a table that is there goes with this batch */
  guint32 set_id;         /* the last given to a new set */
  GArray *origins;        /* of NwfOrigin */
} NwfBatch;

/** What the kernel said of a batch. */
typedef struct {
  int code;       /* errno of the first message that failed, 0: it holds */
  guint32 seq;    /* that message */
  guint32 offset; /* of the attribute at fault in that message, 0: not told */
  char *text;     /* the kernel's own words, or NULL */
  gboolean mute;  /* @code is not the kernel's: it was not asked, or its answer could not be read */
} NwfBatchAnswer;

void nwf_batch_init(NwfBatch *batch, guint32 seq, guint32 generation);
void nwf_batch_clear(NwfBatch *batch);
/** Begins a message with NWF_MESSAGE_MAX bytes of room; NULL never. */
struct nlmsghdr *nwf_batch_begin(NwfBatch *batch, guint message, guint flags, guint change, guint item);
void nwf_batch_end(NwfBatch *batch, struct nlmsghdr *message);
/** Sends it; without @commit the kernel checks all of it and forgets it. FALSE with errno in @answer. */
gboolean nwf_batch_send(NwfKernel *kernel, NwfBatch *batch, gboolean commit, NwfBatchAnswer *answer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NwfBatch, nwf_batch_clear)

/* --- encode.c, set-encode.c, expr-encode.c --- */

/** Appends the messages of all @changes. */
gboolean nwf_encode_changes(NwfBatch *batch, const GArray *changes, GError **error);
/** The table, with @batch's flags. */
void nwf_encode_table(NwfBatch *batch, gboolean add, guint change);
void nwf_encode_set(NwfBatch *batch, const NwfSet *set, guint change);
/** Appends @count elements as messages of bounded size; @first is the origin's item of the first. */
void nwf_encode_elements(NwfBatch *batch, guint message, const NwfSet *set, const NwfElement *const *elements,
                         guint count, guint change, guint first);
/** The index of the element in @message whose attribute begins at or holds @offset. */
guint nwf_encode_element_at(const struct nlmsghdr *message, guint32 offset);
/** Puts a rule's user data; @mark may be NULL. */
void nwf_encode_rule_udata(struct nlmsghdr *message, const char *comment, const NwfMark *mark);
/** Puts a rule's expressions. */
void nwf_encode_exprs(struct nlmsghdr *message, const NwfNftRule *rule);
void nwf_encode_verdict(struct nlmsghdr *message, guint16 attribute, const NwfVerdict *verdict);

/* --- mark.c --- */

/** The chain whose first rule carries the mark, NULL: there is none that could. */
const NwfChain *nwf_mark_place(const NwfRuleset *want);
/** The generation after this one: the kernel leaves 0 out. */
guint32 nwf_next_generation(guint32 generation);
/** The mark for a batch that turns the table of @generation into @want; @stamp may be NULL. */
void nwf_mark_make(NwfMark *mark, const NwfRuleset *want, const guint8 *stamp, guint32 generation);
guint64 nwf_mark_hash(const NwfRuleset *want, const guint64 key[2]);
/** TRUE: nobody committed anything since a batch of ours, and that made the table what is wanted.
 * FALSE says nothing. */
gboolean nwf_mark_proves(NwfKernel *kernel, const NwfRuleset *want);

/* --- owner.c --- */

/** What a batch with @changes needs for the table to be ours, before the changes are put into it. */
void nwf_owner_begin(const NwfKernel *kernel, NwfBatch *batch, const GArray *changes);
/** A batch with @changes holds. */
void nwf_owner_done(NwfKernel *kernel, const GArray *changes);

/* --- culprit.c --- */

/** Sets @error to what was refused and why. */
void nwf_culprit_error(GError **error, NwfKernel *kernel, const NwfBatch *batch, const GArray *changes,
                       const NwfBatchAnswer *answer);

/* --- typeof.c: how nft writes down what a set's key was made of --- */

/** Whether nft's text form has to declare the set with typeof. */
gboolean nwf_typeof_wanted(const NwfSet *set);
/** Appends the set's NWF_UDATA_SET_KEY_TYPEOF to @data (@size bytes, @length used). */
gsize nwf_typeof_put(const NwfSet *set, guint8 *data, gsize length);
/** Reads the fields of a set from one. FALSE: not of our making. */
gboolean nwf_typeof_get(const guint8 *data, gsize length, guint n_fields, NwfField *fields, NwfRawPart *raw);

/* --- decode.c, set-decode.c, expr-decode.c --- */

/** A ruleset being read back. */
typedef struct {
  NwfRuleset *ruleset;
  gboolean table;  /* our table was there */
  guint32 flags;   /* its flags */
  guint32 use;     /* what it says it holds */
  guint32 objects; /* chains and sets that were told of */
  NwfChain *chain; /* of the last rule, since rules come chain by chain */
} NwfDecoder;

void nwf_decoder_init(NwfDecoder *decoder);
/** Adds what one message holds: NEWTABLE, NEWCHAIN, NEWSET, NEWSETELEM and NEWRULE, objects before what is in them.
 * Other tables are passed over; what is not of our making leaves its mark (NWF_EXPR_FOREIGN,
 * NwfRuleset.foreign). Never fails, whatever the message holds within its length. */
void nwf_decode_message(NwfDecoder *decoder, const struct nlmsghdr *message);
/** Pairs the ends of intervals, sorts, and gives the ruleset away: NULL when there was no table. */
NwfRuleset *nwf_decoder_finish(NwfDecoder *decoder);
/** All of the above over a buffer (aligned to 4 bytes) that may hold anything. NULL or a ruleset. */
NwfRuleset *nwf_decode_buffer(const guint8 *data, gsize length);

/** The message at @at when there is a whole one before @end, else NULL; libmnl's own check takes a
 * length beyond G_MAXINT for a negative one. The next begins at nwf_message_next. */
const struct nlmsghdr *nwf_message_at(const guint8 *at, const guint8 *end);
const guint8 *nwf_message_next(const struct nlmsghdr *message, const guint8 *end);

typedef struct {
  const struct nlattr *attr[32];
} NwfAttrs;

/** Sorts attributes by their number; those beyond @max are forgotten (and must not be looked at), and FALSE is returned
 * when there is one. */
gboolean nwf_attrs_parse(const void *data, gsize length, guint max, NwfAttrs *attrs);
gboolean nwf_attrs_nested(const struct nlattr *nest, guint max, NwfAttrs *attrs);
gboolean nwf_attrs_message(const struct nlmsghdr *message, guint max, NwfAttrs *attrs);
/** The attribute's number (network byte order), or @fallback when it is not there or has another size. */
guint32 nwf_attr_u32(const struct nlattr *attr, guint32 fallback);
guint64 nwf_attr_u64(const struct nlattr *attr, guint64 fallback);
/** The attribute's text, or NULL when it is not there or has no end. */
const char *nwf_attr_text(const struct nlattr *attr);
/** The bytes of a NFTA_DATA_VALUE within @nest: FALSE unless there are exactly @length. */
gboolean nwf_attr_value(const struct nlattr *nest, void *value, gsize length);
gboolean nwf_decode_verdict(const struct nlattr *nest, NwfVerdict *verdict);
/** The comment in user data, or NULL; @kind is NWF_UDATA_COMMENT or NWF_UDATA_SET_COMMENT. */
const char *nwf_decode_comment(const struct nlattr *udata, guint8 kind);
/** The value of @kind in user data; NULL when there is none. */
const guint8 *nwf_udata_find(const struct nlattr *udata, guint8 kind, guint8 *length);

/** FALSE: the set is not of our making and was not added. */
gboolean nwf_decode_set(NwfRuleset *ruleset, const char *name, const NwfAttrs *attrs);
/** FALSE: an element is not of our making. */
gboolean nwf_decode_elements(NwfRuleset *ruleset, NwfSet *set, const struct nlattr *list);
void nwf_decode_intervals(NwfSet *set);
/** Reads a rule's expressions into @exprs (NWF_RULE_EXPRS_MAX of them). FALSE: not of our making. */
gboolean nwf_decode_exprs(const struct nlattr *list, NwfExpr *exprs, guint *n_exprs);
/** The field at a place, NWF_FIELD_RAW for a place without name; NWF_FIELD_NONE when meta or ct have no such key of
 * ours. */
NwfField nwf_field_at(NwfBase base, guint32 offset, guint32 length);
