// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The compiled form: one nftables table as plain data, to be printed, compared
 * and sent. Everything in it maps one to one to what the kernel holds: each
 * NwfExpr is one match or statement, in the order in which the kernel runs it.
 *
 * A ruleset owns all it holds: strings live in its string store and are freed
 * with it. Objects of different rulesets share nothing. No function here does
 * I/O or keeps state; a ruleset must not be changed by two threads at once.
 */
#pragma once

#include <nwfilter-nft/model.h>

G_BEGIN_DECLS

#define NWF_TABLE "nwfilter"
#define NWF_VALUE_MAX 16    /* bytes of one register's worth: NFT_REG_SIZE, linux/netfilter/nf_tables.h */
#define NWF_KEY_MAX 40      /* bytes of a concatenated set key, each part padded to 4 */
#define NWF_KEY_PARTS 4     /* parts of one */
#define NWF_COMMENT_LEN 127 /* bytes of a comment: nft's own limit of 128 with the NUL */

/** What the kernel can do; src/kernel probes it. */
typedef enum {
  NWF_FEATURE_CT = 1 << 0,        /* ct in the bridge family: nf_conntrack_bridge */
  NWF_FEATURE_REJECT = 1 << 1,    /* reject in the bridge family: nft_reject_bridge */
  NWF_FEATURE_CONNLIMIT = 1 << 2, /* ct count: nft_connlimit and NWF_FEATURE_CT */
  NWF_FEATURE_ALL = (1 << 3) - 1,
} NwfFeatures;

/** A place in a frame (or beside it) that can be tested. What it is called, where it
 * is and how long it is stands in nwf_fields[], which printers, the encoder and the
 * decoder all read. */
typedef enum {
  NWF_FIELD_NONE,
  /* Ethernet */
  NWF_FIELD_ETHER_DADDR,
  NWF_FIELD_ETHER_SADDR,
  NWF_FIELD_ETHER_TYPE, /* 0x8100 for a tagged frame; the length for 802.3 */
  NWF_FIELD_VLAN_TCI,   /* 2 bytes; the id is mask 0x0fff */
  NWF_FIELD_VLAN_TYPE,  /* the EtherType within */
  /* ARP and RARP, hardware addresses of 6 and protocol addresses of 4 bytes */
  NWF_FIELD_ARP_HTYPE,
  NWF_FIELD_ARP_PTYPE,
  NWF_FIELD_ARP_HLEN,
  NWF_FIELD_ARP_PLEN,
  NWF_FIELD_ARP_OPERATION,
  NWF_FIELD_ARP_SADDR_ETHER,
  NWF_FIELD_ARP_SADDR_IP,
  NWF_FIELD_ARP_DADDR_ETHER,
  NWF_FIELD_ARP_DADDR_IP,
  /* IPv4 */
  NWF_FIELD_IP_TOS,
  NWF_FIELD_IP_FRAG_OFF, /* 2 bytes, flags and offset */
  NWF_FIELD_IP_PROTOCOL,
  NWF_FIELD_IP_SADDR,
  NWF_FIELD_IP_DADDR,
  /* IPv6 */
  NWF_FIELD_IP6_CLASS, /* the first 2 bytes: version, traffic class, flow label's top; DSCP is mask 0x0fc0 */
  NWF_FIELD_IP6_SADDR,
  NWF_FIELD_IP6_DADDR,
  /* transport header; the kernel finds it, and there is none in a later fragment */
  NWF_FIELD_TH_SPORT,
  NWF_FIELD_TH_DPORT,
  NWF_FIELD_TCP_FLAGS,
  NWF_FIELD_ICMP_TYPE, /* ICMP and ICMPv6 alike */
  NWF_FIELD_ICMP_CODE,
  /* 802.1D BPDU behind its LLC header (42 42 03) */
  NWF_FIELD_STP_LLC, /* 6 bytes: LLC, protocol id and version, 42 42 03 00 00 00 */
  NWF_FIELD_STP_TYPE,
  NWF_FIELD_STP_FLAGS,
  NWF_FIELD_STP_ROOT_PRIORITY,
  NWF_FIELD_STP_ROOT_ADDRESS,
  NWF_FIELD_STP_ROOT_COST,
  NWF_FIELD_STP_SENDER_PRIORITY,
  NWF_FIELD_STP_SENDER_ADDRESS,
  NWF_FIELD_STP_PORT,
  NWF_FIELD_STP_AGE,
  NWF_FIELD_STP_MAX_AGE,
  NWF_FIELD_STP_HELLO_TIME,
  NWF_FIELD_STP_FORWARD_DELAY,
  /* any bytes: base, offset and length stand in the test itself (several
   * neighbouring fields compared at once) */
  NWF_FIELD_RAW,
  /* no header fields */
  NWF_FIELD_IIFNAME, /* 16 bytes, zero padded */
  NWF_FIELD_OIFNAME,
  NWF_FIELD_PROTOCOL,     /* meta protocol: 2 bytes, big endian; the inner type of a tagged frame */
  NWF_FIELD_L4PROTO,      /* meta l4proto: 1 byte; cannot be loaded from a malformed IP packet */
  NWF_FIELD_CT_STATE,     /* 4 bytes, host order, NF_CT_STATE bits; always with a mask */
  NWF_FIELD_CT_DIRECTION, /* 1 byte: 0 original, 1 reply */
  NWF_FIELD_TCP_OPTION,   /* 1 byte: 1 when the option whose kind stands in the test's arg is there */
  NWF_FIELD_IP6_FRAGMENT, /* 1 byte: 1 when an IPv6 packet has a fragment header; such a test's arg is its number, 44 */
  NWF_N_FIELDS,
} NwfField;

typedef enum {
  NWF_BASE_LL, /* NFT_PAYLOAD_LL_HEADER */
  NWF_BASE_NH, /* NFT_PAYLOAD_NETWORK_HEADER */
  NWF_BASE_TH, /* NFT_PAYLOAD_TRANSPORT_HEADER */
  NWF_BASE_META,
  NWF_BASE_CT,
  NWF_BASE_TCPOPT,
  NWF_BASE_EXTHDR, /* IPv6 extension headers */
} NwfBase;

typedef struct {
  const char *name; /* in nft syntax: "ether saddr", "ip saddr" */
  NwfBase base;
  guint16 offset;       /* bytes from the base; for meta and ct the NFT_META_ or NFT_CT_ key */
  guint8 length;        /* bytes */
  gboolean always;      /* can be loaded from every frame that reaches the hook */
  gboolean host_order;  /* the kernel holds it in host byte order */
  const char *set_type; /* nft's name of its type as part of a set key ("ipv4_addr"), or NULL */
  guint8 set_type_id;   /* nft's number of that type (libnftables' enum datatypes) */
  /* What nft's syntax wants to have been tested before the name may be used: a field
   * and its value (meta protocol 0x0800 before ip saddr); NWF_FIELD_NONE: nothing.
   * Tests that compare print such fields as raw payload (@nh,96,32), which wants
   * nothing; only lookups need the name, and the compiler puts the test before them. */
  NwfField requires;
  guint32 required_value;
} NwfFieldSpec;

/** Indexed by NwfField. */
extern const NwfFieldSpec nwf_fields[NWF_N_FIELDS];

typedef enum {
  NWF_OP_EQ, /* field & mask == value */
  NWF_OP_NE,
  NWF_OP_RANGE, /* low <= field <= high, as big-endian numbers; no mask */
  NWF_OP_NOT_RANGE,
} NwfOp;

/** One comparison. A field that cannot be loaded (truncated frame) ends the rule:
 * neither EQ nor NE holds. */
typedef struct {
  NwfField field;
  NwfOp op;
  NwfBase base; /* NWF_FIELD_RAW: where; else as in nwf_fields */
  guint16 offset;
  guint8 length;
  guint8 arg;        /* NWF_FIELD_TCP_OPTION: the option's kind; NWF_FIELD_IP6_FRAGMENT: the header's number */
  gboolean has_mask; /* EQ and NE only */
  guint8 mask[NWF_VALUE_MAX];
  guint8 low[NWF_VALUE_MAX];  /* EQ and NE: the value, already masked */
  guint8 high[NWF_VALUE_MAX]; /* ranges only */
} NwfTest;

typedef enum {
  NWF_VERDICT_ACCEPT,
  NWF_VERDICT_DROP,
  NWF_VERDICT_RETURN,
  NWF_VERDICT_JUMP,
  NWF_VERDICT_GOTO,
} NwfVerdictKind;

typedef struct {
  NwfVerdictKind kind;
  const char *chain; /* JUMP and GOTO: interned in the ruleset */
} NwfVerdict;

/** Where the bytes of a NWF_FIELD_RAW part of a key are. */
typedef struct {
  NwfBase base; /* LL, NH or TH */
  guint16 offset;
  guint8 length;
} NwfRawPart;

typedef enum {
  NWF_EXPR_TEST,
  NWF_EXPR_LOOKUP,    /* the fields' values are (not) in a set; a vmap lookup when the set is a map */
  NWF_EXPR_CONNLIMIT, /* add @set { field ct count [over] n }: goes on when the count of the
                         connections with that field's value is above n (inverted: at most n) */
  NWF_EXPR_LIMIT,     /* limit rate: goes on while below it */
  NWF_EXPR_LOG,       /* log group: copies the frame to user space, goes on */
  NWF_EXPR_REJECT,    /* reject with icmpx port-unreachable; ends the rule */
  NWF_EXPR_NOTRACK,   /* no connection tracking for this frame, goes on */
  NWF_EXPR_VERDICT,
  NWF_EXPR_FOREIGN, /* read back from the kernel and not of our making; equals nothing, not even itself */
} NwfExprKind;

typedef struct {
  NwfExprKind kind;
  union {
    NwfTest test;
    struct {
      guint8 n_fields;
      NwfField fields[NWF_KEY_PARTS];
      NwfRawPart raw[NWF_KEY_PARTS]; /* for each field that is NWF_FIELD_RAW */
      gboolean negated;
      const char *set;
    } lookup;
    struct {
      NwfField field;
      const char *set;
      guint32 count;
      gboolean inverted;
    } connlimit;
    struct {
      guint32 rate;  /* frames a second */
      guint32 burst; /* frames */
    } limit;
    struct {
      guint16 group;
      guint32 snaplen; /* bytes; 0: all */
    } log;
    NwfVerdict verdict;
  };
} NwfExpr;

typedef struct {
  NwfExpr *exprs; /* owned by the ruleset */
  guint n_exprs;
  const char *comment; /* or NULL; at most NWF_COMMENT_LEN bytes */
} NwfNftRule;

typedef enum {
  NWF_HOOK_NONE, /* no base chain */
  NWF_HOOK_PREROUTING,
  NWF_HOOK_INPUT,
  NWF_HOOK_FORWARD,
  NWF_HOOK_POSTROUTING,
} NwfHook;

typedef struct {
  const char *name;
  NwfHook hook;
  int priority;  /* base chains; their policy is always drop */
  GArray *rules; /* of NwfNftRule */
  guint uses;    /* counted by ruleset/references.c */
} NwfChain;

typedef struct {
  guint8 key[NWF_KEY_MAX];
  guint8 key_end[NWF_KEY_MAX]; /* interval sets: the last value, inclusive; else equal to key */
  NwfVerdict verdict;          /* maps */
  const char *comment;         /* or NULL */
} NwfElement;

typedef struct {
  const char *name;
  gboolean is_map;   /* key -> verdict */
  gboolean interval; /* elements may be ranges (they never overlap) */
  gboolean dynamic;  /* filled by the kernel (connlimit); its elements are not ours to compare */
  guint8 n_fields;
  NwfField fields[NWF_KEY_PARTS]; /* what the key is made of; parts padded to 4 bytes */
  NwfRawPart raw[NWF_KEY_PARTS];  /* for each field that is NWF_FIELD_RAW: its length counts, its place is an
                                     example (nft's typeof wants one) and not compared */
  guint32 size;                   /* 0: no limit given */
  GArray *elements;               /* of NwfElement, ordered by key once nwf_ruleset_sort was called */
  const char *comment;
  guint uses;     /* counted by ruleset/references.c */
  guint deciding; /* likewise: elements of a dispatch map whose verdict is not accept */
} NwfSet;

typedef struct NwfRuleset {
  GPtrArray *chains; /* of NwfChain *, owned */
  GPtrArray *sets;   /* of NwfSet *, owned: sets and maps */
  GHashTable *chain_by_name;
  GHashTable *set_by_name;
  GStringChunk *strings;
  GPtrArray *blocks;                /* memory of the expressions */
  struct NwfReferences *references; /* ruleset/references.h; NULL: not counted */
  gboolean foreign;                 /* read back with what no ruleset of ours has (a flowtable, a set of another type, a
                                       policy): the table as a whole is to be replaced */
} NwfRuleset;

NwfRuleset *nwf_ruleset_new(void);
void nwf_ruleset_free(NwfRuleset *ruleset);
/** A ruleset of one's own with the same content, without what is foreign in @ruleset. */
NwfRuleset *nwf_ruleset_copy(const NwfRuleset *ruleset);
/** Interns @text in the ruleset (NULL stays NULL); lives as long as the ruleset. */
const char *nwf_ruleset_intern(NwfRuleset *ruleset, const char *text);
/** Adds an empty chain; @name must be new. Borrowed. */
NwfChain *nwf_ruleset_add_chain(NwfRuleset *ruleset, const char *name, NwfHook hook, int priority);
/** Adds an empty set; @name must be new. The caller fills in the flags. Borrowed. */
NwfSet *nwf_ruleset_add_set(NwfRuleset *ruleset, const char *name, const NwfField *fields, guint n_fields);
NwfChain *nwf_ruleset_chain(const NwfRuleset *ruleset, const char *name); /* borrowed or NULL */
NwfSet *nwf_ruleset_set(const NwfRuleset *ruleset, const char *name);     /* borrowed or NULL */
/** Adds a copy of a set of another ruleset, with its elements. Borrowed. */
NwfSet *nwf_ruleset_copy_set(NwfRuleset *ruleset, const NwfSet *set);
/** Appends copies of a chain's rules, which may be another ruleset's. */
void nwf_ruleset_copy_rules(NwfRuleset *ruleset, NwfChain *to, const NwfChain *chain);
/** Removes a chain or a set by name (its memory goes with the ruleset's). */
void nwf_ruleset_remove_chain(NwfRuleset *ruleset, const char *name);
void nwf_ruleset_remove_set(NwfRuleset *ruleset, const char *name);
/** Appends a rule; copies @exprs and interns the names in them and @comment (cut to NWF_COMMENT_LEN
 * bytes, at a character's edge; double quotes and control characters replaced, since nft cannot
 * write them). */
void nwf_chain_add_rule(NwfRuleset *ruleset, NwfChain *chain, const NwfExpr *exprs, guint n_exprs, const char *comment);
/** Appends an element; interns its chain and comment. @key and @key_end (NULL: as key) have
 * nwf_set_key_length bytes. */
void nwf_set_add_element(NwfRuleset *ruleset, NwfSet *set, const guint8 *key, const guint8 *key_end,
                         const NwfVerdict *verdict, const char *comment);
/** Bytes of part @i of the set's key, without padding. */
guint nwf_set_part_length(const NwfSet *set, guint i);
/** Bytes of the set's key: its fields' lengths, each rounded up to 4 when there are several. */
guint nwf_set_key_length(const NwfSet *set);
/** Puts chains, sets and elements in the order of their names and keys (base chains last,
 * as they refer to the others), so that equal rulesets print equally. */
void nwf_ruleset_sort(NwfRuleset *ruleset);
/** The ports that the dispatch maps know: borrowed names, sorted, freed by the caller
 * with g_ptr_array_unref. A port is the first part of the keys of the maps whose names
 * begin with "from_" or "to_" or "forward_". */
GPtrArray *nwf_ruleset_ports(const NwfRuleset *ruleset);

/** Takes the port's elements out of the dispatch maps and of the sets that hold its values; FALSE when no map has
 * one. */
gboolean nwf_ruleset_remove_port(NwfRuleset *ruleset, const char *port);
/** Removes the chains and sets that nothing leads to from a base chain. */
void nwf_ruleset_prune(NwfRuleset *ruleset);

/** What a port has in the table; chains and rules that ports share count for each. */
typedef struct {
  const char *port;    /* borrowed */
  const char *comment; /* "FILTER NAME=VALUE ...", or NULL; borrowed */
  guint elements, chains, rules;
} NwfPortInfo;
/** Of every port, by name; the caller frees the array. */
GArray *nwf_ruleset_port_infos(const NwfRuleset *ruleset);

/** What of the kernel's features the ruleset's rules use (NwfFeatures). */
guint nwf_ruleset_features(const NwfRuleset *ruleset);
guint nwf_chain_features(const NwfChain *chain);
guint nwf_expr_features(const NwfExpr *expr);
/** The same of the rules that the port's frames come to. */
guint nwf_ruleset_port_features(NwfRuleset *ruleset, const char *port);

/** Fields count by their place in the frame, not by their name, here and in nwf_chain_equal. */
gboolean nwf_expr_equal(const NwfExpr *a, const NwfExpr *b);
gboolean nwf_chain_equal(const NwfChain *a, const NwfChain *b); /* hook, priority, rules with comments */
/** All but the elements. Fields count by their type (ip saddr and arp saddr ip are one), since
 * that is all that the kernel knows of them. */
gboolean nwf_set_same_type(const NwfSet *a, const NwfSet *b);
gboolean nwf_element_equal(const NwfSet *set, const NwfElement *a, const NwfElement *b);

/** Builds tests. Values are in network byte order (host order for host_order fields). */
NwfTest nwf_test_eq(NwfField field, const void *value);
NwfTest nwf_test_eq_number(NwfField field, guint32 value);
NwfTest nwf_test_masked(NwfField field, const void *value, const void *mask);
NwfTest nwf_test_range(NwfField field, const void *low, const void *high);
NwfTest nwf_test_range_number(NwfField field, guint32 low, guint32 high);
/** The test that holds where @test does not, provided that its field can be loaded. */
NwfTest nwf_test_negate(NwfTest test);

/** Gives the members of the ipset @name as elements of @set, an empty interval set of
 * @ruleset whose fields the function sets from the ipset's type; at most
 * @dimensions may be wanted to find one. FALSE with @error when there is no such ipset or its type cannot be had. */
typedef gboolean (*NwfIpsetFunc)(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset, NwfSet *set,
                                 gpointer data, GError **error);
/* --- printing (print-text.c, print-json.c) --- */

/** The ruleset as a document for `nft -f`, which makes the table anew and replaces one that
 * is there. The caller frees it. */
char *nwf_ruleset_to_text(const NwfRuleset *ruleset);
/** The same as JSON for `nft -j -f` (libnftables-json(5)). The caller frees it. */
char *nwf_ruleset_to_json(const NwfRuleset *ruleset);
/** One rule as nft prints it, without its comment. The caller frees it. */
char *nwf_nft_rule_to_text(const NwfNftRule *rule);
/** A set element's key as nft writes it ("\"vnet0\" . arp", "10.0.0.1-10.0.0.9"). The caller frees it. */
char *nwf_element_key_to_text(const NwfSet *set, const NwfElement *element);

/* --- difference (diff.c) --- */

typedef enum {
  NWF_CHANGE_ADD_TABLE,
  NWF_CHANGE_DELETE_TABLE,
  NWF_CHANGE_ADD_SET, /* with its elements */
  NWF_CHANGE_DELETE_SET,
  NWF_CHANGE_ADD_CHAIN,   /* without its rules */
  NWF_CHANGE_ADD_RULES,   /* all rules of a chain */
  NWF_CHANGE_FLUSH_CHAIN, /* takes all its rules away */
  NWF_CHANGE_DELETE_CHAIN,
  NWF_CHANGE_ADD_ELEMENT,
  NWF_CHANGE_DELETE_ELEMENT,
} NwfChangeKind;

typedef struct {
  NwfChangeKind kind;
  const NwfChain *chain; /* of the ruleset it comes from: the new one, or the old one for removals */
  const NwfSet *set;
  const NwfElement *element;
} NwfChange;

/** What turns @have into @want (either may be NULL: no table), in an order the kernel takes
 * in one transaction: rules and elements that go or change are taken away, new chains and sets
 * come, then elements and rules, and chains that nothing refers to any more go last. Empty
 * when they are equal. The array (of NwfChange) borrows from both rulesets. */
GArray *nwf_ruleset_diff(const NwfRuleset *have, const NwfRuleset *want);
/** The difference for people, a line a change ("+ chain ...", "- element ..."); caller frees. */
char *nwf_diff_to_text(const GArray *changes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfRuleset, nwf_ruleset_free)

G_END_DECLS
