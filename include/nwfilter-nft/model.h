// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The model: filters, rules, bindings and parameters as plain data.
 *
 * Nothing here does I/O, takes a lock or knows of XML or the kernel. All
 * structures are owned by whoever holds the pointer that a _new or _parse
 * function returned, and are freed by the matching _free function; there is no
 * shared state, so different threads may use different objects freely.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Limits of the language; each is the stock driver's (libvirt 9.0.0,
 * src/conf/nwfilter_conf.h and nwfilter_params.h) unless said otherwise. */
#define NWF_PRIORITY_MIN (-1000)
#define NWF_PRIORITY_MAX 1000
#define NWF_RULE_PRIORITY_DEFAULT 500
#define NWF_CHAIN_NAME_MAX 12
#define NWF_ITERATOR_MAX 1000
#define NWF_COMMENT_MAX 256
#define NWF_IPSET_NAME_MAX 31
#define NWF_IPSET_FLAGS_MAX 6
#define NWF_PORT_NAME_MAX 15 /* IFNAMSIZ - 1, linux/if.h */
#define NWF_UUID_LEN 16
#define NWF_MAC_LEN 6
/* Ours: a bound on what one document may hold, so that hostile input ends in
 * an error and not in a machine without memory. */
#define NWF_DEPTH_MAX 128           /* filterref nesting */
#define NWF_DOCUMENT_MAX (64 << 20) /* bytes of one XML document */
#define NWF_INSTANCES_MAX 250000    /* rules that the variables of one port's filters may multiply to */
#define NWF_RULES_MAX 20000         /* of one port that no set has taken in */

/** Error domain of everything above the kernel. */
#define NWF_ERROR (nwf_error_quark())
GQuark nwf_error_quark(void);

typedef enum {
  NWF_ERROR_XML,              /* not well-formed, or not the document expected */
  NWF_ERROR_INVALID,          /* a value that the language does not allow */
  NWF_ERROR_MISSING_FILTER,   /* a filterref that nothing answers */
  NWF_ERROR_LOOP,             /* filterrefs that lead back to themselves */
  NWF_ERROR_MISSING_VARIABLE, /* a variable that neither binding nor filterref gives */
  NWF_ERROR_UNSUPPORTED,      /* this kernel cannot do it */
  NWF_ERROR_LIMIT,            /* one of the bounds above */
  NWF_ERROR_KERNEL,           /* netlink failed or the kernel refused */
  NWF_ERROR_CHANGED,          /* somebody else changed the kernel's ruleset since it was read */
  NWF_ERROR_IO,               /* a file could not be read or written */
} NwfError;

typedef enum {
  NWF_ACTION_DROP,
  NWF_ACTION_ACCEPT,
  NWF_ACTION_REJECT,
  NWF_ACTION_RETURN,
  NWF_ACTION_CONTINUE,
} NwfAction;

typedef enum {
  NWF_DIRECTION_IN,  /* what the guest is sent */
  NWF_DIRECTION_OUT, /* what the guest sends */
  NWF_DIRECTION_INOUT,
} NwfDirection;

/** A rule's protocol element. The order is that of nwf_protocols[]. */
typedef enum {
  NWF_PROTOCOL_NONE, /* the rule holds no element and matches every frame of its chain */
  NWF_PROTOCOL_MAC,
  NWF_PROTOCOL_VLAN,
  NWF_PROTOCOL_STP,
  NWF_PROTOCOL_ARP,
  NWF_PROTOCOL_RARP,
  NWF_PROTOCOL_IP,
  NWF_PROTOCOL_IPV6,
  NWF_PROTOCOL_TCP,
  NWF_PROTOCOL_UDP,
  NWF_PROTOCOL_UDPLITE,
  NWF_PROTOCOL_ESP,
  NWF_PROTOCOL_AH,
  NWF_PROTOCOL_SCTP,
  NWF_PROTOCOL_ICMP,
  NWF_PROTOCOL_IGMP,
  NWF_PROTOCOL_ALL,
  NWF_PROTOCOL_TCP_IPV6,
  NWF_PROTOCOL_UDP_IPV6,
  NWF_PROTOCOL_UDPLITE_IPV6,
  NWF_PROTOCOL_ESP_IPV6,
  NWF_PROTOCOL_AH_IPV6,
  NWF_PROTOCOL_SCTP_IPV6,
  NWF_PROTOCOL_ICMPV6,
  NWF_PROTOCOL_ALL_IPV6,
  NWF_N_PROTOCOLS,
} NwfProtocol;

/** Which stage a protocol element belongs to. */
typedef enum {
  NWF_STAGE_L2,   /* none, mac, vlan, stp, arp, rarp, ip, ipv6 */
  NWF_STAGE_IPV4, /* tcp .. all: second stage, IPv4 packets */
  NWF_STAGE_IPV6, /* tcp-ipv6 .. all-ipv6: second stage, IPv6 packets */
} NwfStage;

typedef enum {
  NWF_ATTR_SRCMACADDR,
  NWF_ATTR_SRCMACMASK,
  NWF_ATTR_DSTMACADDR,
  NWF_ATTR_DSTMACMASK,
  NWF_ATTR_PROTOCOLID,
  NWF_ATTR_VLANID,
  NWF_ATTR_ENCAP_PROTOCOL,
  NWF_ATTR_STP_TYPE,
  NWF_ATTR_STP_FLAGS,
  NWF_ATTR_ROOT_PRIORITY,
  NWF_ATTR_ROOT_PRIORITY_HI,
  NWF_ATTR_ROOT_ADDRESS,
  NWF_ATTR_ROOT_ADDRESS_MASK,
  NWF_ATTR_ROOT_COST,
  NWF_ATTR_ROOT_COST_HI,
  NWF_ATTR_SENDER_PRIORITY,
  NWF_ATTR_SENDER_PRIORITY_HI,
  NWF_ATTR_SENDER_ADDRESS,
  NWF_ATTR_SENDER_ADDRESS_MASK,
  NWF_ATTR_PORT,
  NWF_ATTR_PORT_HI,
  NWF_ATTR_AGE,
  NWF_ATTR_AGE_HI,
  NWF_ATTR_MAX_AGE,
  NWF_ATTR_MAX_AGE_HI,
  NWF_ATTR_HELLO_TIME,
  NWF_ATTR_HELLO_TIME_HI,
  NWF_ATTR_FORWARD_DELAY,
  NWF_ATTR_FORWARD_DELAY_HI,
  NWF_ATTR_HWTYPE,
  NWF_ATTR_PROTOCOLTYPE,
  NWF_ATTR_OPCODE,
  NWF_ATTR_ARPSRCMACADDR,
  NWF_ATTR_ARPDSTMACADDR,
  NWF_ATTR_ARPSRCIPADDR,
  NWF_ATTR_ARPSRCIPMASK,
  NWF_ATTR_ARPDSTIPADDR,
  NWF_ATTR_ARPDSTIPMASK,
  NWF_ATTR_GRATUITOUS,
  NWF_ATTR_SRCIPADDR,
  NWF_ATTR_SRCIPMASK,
  NWF_ATTR_DSTIPADDR,
  NWF_ATTR_DSTIPMASK,
  NWF_ATTR_SRCIPFROM,
  NWF_ATTR_SRCIPTO,
  NWF_ATTR_DSTIPFROM,
  NWF_ATTR_DSTIPTO,
  NWF_ATTR_PROTOCOL,
  NWF_ATTR_SRCPORTSTART,
  NWF_ATTR_SRCPORTEND,
  NWF_ATTR_DSTPORTSTART,
  NWF_ATTR_DSTPORTEND,
  NWF_ATTR_TYPE,
  NWF_ATTR_TYPEEND,
  NWF_ATTR_CODE,
  NWF_ATTR_CODEEND,
  NWF_ATTR_DSCP,
  NWF_ATTR_CONNLIMIT_ABOVE,
  NWF_ATTR_STATE,
  NWF_ATTR_FLAGS,  /* tcp: MASK/FLAGS */
  NWF_ATTR_OPTION, /* tcp option kind */
  NWF_ATTR_IPSET,
  NWF_ATTR_IPSETFLAGS,
  NWF_ATTR_COMMENT,
  NWF_N_ATTRS,
} NwfAttr;

/** How an attribute's value is written; says which member of NwfValue holds it. */
typedef enum {
  NWF_TYPE_UINT8,       /* number */
  NWF_TYPE_UINT16,      /* number */
  NWF_TYPE_UINT32,      /* number */
  NWF_TYPE_ETHERTYPE,   /* number, or arp rarp ipv4 ipv6 vlan */
  NWF_TYPE_OPCODE,      /* number, or an ARP operation's name */
  NWF_TYPE_IPPROTO,     /* number, or tcp udp udplite esp ah icmp igmp sctp icmpv6 */
  NWF_TYPE_DSCP,        /* number 0..63 */
  NWF_TYPE_BOOLEAN,     /* number 0 or 1 */
  NWF_TYPE_MAC,         /* mac */
  NWF_TYPE_MAC_MASK,    /* mac; leading ones only */
  NWF_TYPE_IPV4,        /* address, bytes 0..3 */
  NWF_TYPE_IPV4_MASK,   /* number: prefix length */
  NWF_TYPE_IPV6,        /* address */
  NWF_TYPE_IPV6_MASK,   /* number: prefix length */
  NWF_TYPE_STATE,       /* number: NWF_STATE_* bits */
  NWF_TYPE_TCP_FLAGS,   /* tcp_flags */
  NWF_TYPE_IPSET,       /* string */
  NWF_TYPE_IPSET_FLAGS, /* ipset_flags */
  NWF_TYPE_STRING,      /* string */
} NwfType;

#define NWF_STATE_NEW (1u << 0)
#define NWF_STATE_ESTABLISHED (1u << 1)
#define NWF_STATE_RELATED (1u << 2)
#define NWF_STATE_INVALID (1u << 3)
#define NWF_STATE_NONE (1u << 4) /* swallows the others: no state is tested */

typedef struct {
  NwfType type;
  gboolean hex;  /* the number was written as 0x.., and is written so again */
  guint8 prefix; /* addresses: only so many bits count, of a prefix; 0: all */
  union {
    guint32 number;
    guint8 mac[NWF_MAC_LEN];
    guint8 address[16];
    struct {
      guint8 mask, flags;
    } tcp_flags;
    struct {
      guint8 count; /* dimensions, 1..6 */
      guint8 src;   /* bit n: dimension n is the source */
    } ipset_flags;
    char *string; /* owned */
  };
} NwfValue;

/** $NAME, $NAME[@k] or $NAME[n]. */
typedef struct {
  char *name;       /* without the dollar sign; owned */
  gboolean element; /* [n]: element n, from 0; else iterator n */
  guint index;
} NwfVariable;

/** One attribute of a rule's protocol element. */
typedef struct {
  NwfAttr attr;
  gboolean negated;      /* stood in an element with match='no' */
  NwfVariable *variable; /* NULL: value holds; else the value comes from a parameter; owned */
  NwfValue value;        /* with a variable only its type is set */
} NwfMatch;

typedef struct {
  NwfAction action;
  NwfDirection direction;
  int priority;
  gboolean no_statematch;
  NwfProtocol protocol;
  GArray *matches; /* of NwfMatch, in the order of NwfAttr, each attr at most once */
  guint line;      /* of the <rule> in its document, from 1; 0 unknown */
} NwfRule;

/** Parameters: names with one or more values each, in the order given. */
typedef struct NwfParameters NwfParameters;

typedef struct {
  char *filter;
  NwfParameters *parameters;
  guint line;
} NwfFilterRef;

/** A rule or a reference, exactly one of them set. */
typedef struct {
  NwfRule *rule;
  NwfFilterRef *reference;
} NwfEntry;

typedef struct {
  char *name;
  gboolean has_uuid;
  guint8 uuid[NWF_UUID_LEN];
  char *chain;     /* never NULL: "root" or PREFIX[suffix] */
  int priority;    /* of the chain, as written or its prefix's default */
  GArray *entries; /* of NwfEntry, in document order */
  char *file;      /* for messages; NULL when there is none */
} NwfFilter;

/** Kinds of frames of a port that the table copies to user space (NFLOG), so that addresses can be learned. */
typedef enum {
  NWF_WATCH_ARP = 1 << 0,    /* ARP that the guest sends */
  NWF_WATCH_IPV4 = 1 << 1,   /* IPv4 packets that the guest sends */
  NWF_WATCH_DHCP = 1 << 2,   /* DHCP (RFC 2131), both directions, VLAN-tagged ones too */
  NWF_WATCH_ND = 1 << 3,     /* Neighbour Solicitations and Advertisements (RFC 4861) that the guest sends */
  NWF_WATCH_DHCPV6 = 1 << 4, /* DHCPv6 (RFC 8415), both directions */
} NwfWatch;

typedef enum { NWF_FAMILY_IPV4 = 1 << 0, NWF_FAMILY_IPV6 = 1 << 1 } NwfFamily;

typedef struct {
  char *owner_name; /* NULL: no owner */
  gboolean has_owner_uuid;
  guint8 owner_uuid[NWF_UUID_LEN];
  char *port; /* the tap's name */
  char *link; /* macvtap's lower device, or NULL */
  guint8 mac[NWF_MAC_LEN];
  char *filter;
  NwfParameters *parameters;
  char *file;  /* for messages; NULL when there is none */
  guint line;  /* of the <filterref>, or 0 */
  guint index; /* of the interface when it was bound, 0: not known; only a <filterbindingstatus> says it */
  /* no part of a document: */
  guint watch;             /* NwfWatch: frames that are copied to user space */
  guint closed;            /* NwfFamily: the filter's rules for these are left out, and all that is of them is dropped,
                              both ways, also within VLAN tags, but for what @before accepts */
  const NwfFilter *before; /* rules before the filter's, of root and with priorities below NWF_PRIORITY_MIN; borrowed
                              for as long as the binding is there; NULL: none */
} NwfBinding;

/* --- language tables (protocol.c) --- */

typedef struct {
  NwfAttr attr;
  NwfType type;
} NwfAttrSpec;

typedef struct {
  const char *name; /* of the XML element; NULL for NWF_PROTOCOL_NONE */
  NwfStage stage;
  guint8 ip_protocol; /* L3/L4 elements: the IP protocol number (RFC 1700, IANA); 0 for all */
  const NwfAttrSpec *attrs;
  gsize n_attrs;
} NwfProtocolSpec;

/** Indexed by NwfProtocol. */
extern const NwfProtocolSpec nwf_protocols[NWF_N_PROTOCOLS];

/** The attribute's name in XML ("srcmacaddr"). */
const char *nwf_attr_name(NwfAttr attr);
/** The protocol of an element's name; FALSE when there is none of that name. */
gboolean nwf_protocol_from_name(const char *name, NwfProtocol *protocol);
/** The spec of an attribute in a protocol, or NULL when it has no such attribute. */
const NwfAttrSpec *nwf_protocol_attr(NwfProtocol protocol, NwfAttr attr);

const char *nwf_action_name(NwfAction action);
gboolean nwf_action_from_name(const char *name, NwfAction *action);
const char *nwf_direction_name(NwfDirection direction);
gboolean nwf_direction_from_name(const char *name, NwfDirection *direction);

/** The EtherType of a chain's prefix: 0x0806 for arp, 0x8035 rarp, 0x0800 ipv4,
 * 0x86dd ipv6, 0x8100 vlan; 0 for root, mac and stp, whose chains are not bound
 * to one. @chain must be a valid chain name. */
guint16 nwf_chain_ethertype(const char *chain);
/** Reads what a setting says of the end of chains: "return" (to root) or "accept". FALSE: neither. */
gboolean nwf_chain_end_parse(const char *text, gboolean *accepts);
/** Whether @chain is an stp chain (entered by destination 01:80:c2:00:00:00). */
gboolean nwf_chain_is_stp(const char *chain);
/** Checks a chain's name and gives the default priority of its prefix (both
 * out-parameters may be NULL). @error's message says what is wrong with it. */
gboolean nwf_chain_check(const char *chain, int *default_priority, GError **error);

/* --- values (value.c) --- */

/** Reads @text as a value of attribute @attr with the type @type. The checks
 * are those of the language (ranges, contiguous masks). On failure @error names
 * the attribute and the value, and @value is left alone. What it stores in
 * @value is released by nwf_value_clear. */
gboolean nwf_value_parse(NwfAttr attr, NwfType type, const char *text, NwfValue *value, GError **error);
/** The value as XML shows it (not escaped); the caller frees it. nwf_value_parse
 * reads it back to an equal value. */
char *nwf_value_format(NwfAttr attr, const NwfValue *value);
/** Whether both mean the same; how a number was written does not count. */
gboolean nwf_value_equal(const NwfValue *a, const NwfValue *b);
void nwf_value_clear(NwfValue *value);

/** Reads "$NAME", "$NAME[@k]" or "$NAME[n]" (with the dollar sign). */
NwfVariable *nwf_variable_parse(const char *text, GError **error);
char *nwf_variable_format(const NwfVariable *variable); /* with the dollar sign; caller frees */
void nwf_variable_free(NwfVariable *variable);

gboolean nwf_mac_parse(const char *text, guint8 mac[NWF_MAC_LEN]); /* octets of one or two digits */
char *nwf_mac_format(const guint8 mac[NWF_MAC_LEN]);               /* caller frees */
gboolean nwf_uuid_parse(const char *text, guint8 uuid[NWF_UUID_LEN]);
char *nwf_uuid_format(const guint8 uuid[NWF_UUID_LEN]); /* caller frees */
/** Whether @name may name a port: 1..15 bytes, no slash, no white space, not
 * "." or ".." (what the kernel's dev_valid_name allows). */
gboolean nwf_port_name_valid(const char *name);

/* --- parameters (parameters.c) --- */

NwfParameters *nwf_parameters_new(void);
void nwf_parameters_free(NwfParameters *parameters);
NwfParameters *nwf_parameters_copy(const NwfParameters *parameters);
/** Appends @value to the list of @name, making the list when there is none.
 * FALSE with @error when name or value hold characters that the language does
 * not allow (names: letters, digits, _; values: those, '.' and ':', never empty, or a prefix). */
gboolean nwf_parameters_add(NwfParameters *parameters, const char *name, const char *value, GError **error);
/** The values of @name (borrowed GPtrArray of char *), or NULL. */
const GPtrArray *nwf_parameters_get(const NwfParameters *parameters, const char *name);
/** Replaces (or removes, with @values NULL) the list of @name. Copies @values. */
void nwf_parameters_set(NwfParameters *parameters, const char *name, const GPtrArray *values);
guint nwf_parameters_count(const NwfParameters *parameters);
/** The n-th name in the order given (borrowed). */
const char *nwf_parameters_name(const NwfParameters *parameters, guint n);
gboolean nwf_parameters_equal(const NwfParameters *a, const NwfParameters *b);

/** A parameter that nwf_parameters_add refuses, kept since it stood in the document. */
typedef struct {
  char *name, *value; /* never NULL */
  guint line;         /* of the <parameter>, or 0 */
} NwfPassedOver;
/** Keeps such a parameter: it is copied and written with the others, but gives no variable a value. */
void nwf_parameters_pass_over(NwfParameters *parameters, const char *name, const char *value, guint line);
guint nwf_parameters_n_passed_over(const NwfParameters *parameters);
/** The n-th of them, in the order given (borrowed until one is added). */
const NwfPassedOver *nwf_parameters_passed_over(const NwfParameters *parameters, guint n);

/* --- objects (model.c) --- */

NwfRule *nwf_rule_new(void); /* accept, inout, priority 500, no element */
void nwf_rule_free(NwfRule *rule);
/** The match on @attr, or NULL (borrowed). */
const NwfMatch *nwf_rule_match(const NwfRule *rule, NwfAttr attr);
void nwf_match_clear(NwfMatch *match);
/** The rule in one line for people: "drop out ip srcipaddr!=10.0.0.1"; caller frees. */
char *nwf_rule_describe(const NwfRule *rule);

NwfFilterRef *nwf_filter_ref_new(const char *filter);
void nwf_filter_ref_free(NwfFilterRef *reference);

NwfFilter *nwf_filter_new(const char *name); /* chain root, priority 0 */
void nwf_filter_free(NwfFilter *filter);
void nwf_filter_add_rule(NwfFilter *filter, NwfRule *rule);                /* takes rule */
void nwf_filter_add_reference(NwfFilter *filter, NwfFilterRef *reference); /* takes reference */

NwfBinding *nwf_binding_new(void);
NwfBinding *nwf_binding_copy(const NwfBinding *binding);
void nwf_binding_free(NwfBinding *binding);

/** Filters by name. */
typedef struct NwfFilterStore NwfFilterStore;
NwfFilterStore *nwf_filter_store_new(void);
void nwf_filter_store_free(NwfFilterStore *store);
/** Takes @filter; one of the same name is replaced and freed. */
void nwf_filter_store_put(NwfFilterStore *store, NwfFilter *filter);
/** Borrowed, or NULL. */
const NwfFilter *nwf_filter_store_get(const NwfFilterStore *store, const char *name);
/** Takes the filter out without freeing it: the caller's then; NULL when there is none of that name. */
NwfFilter *nwf_filter_store_steal(NwfFilterStore *store, const char *name);
gboolean nwf_filter_store_remove(NwfFilterStore *store, const char *name);
/** Borrowed filters, ordered by name; caller frees the array. */
GPtrArray *nwf_filter_store_list(const NwfFilterStore *store);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfParameters, nwf_parameters_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfVariable, nwf_variable_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfRule, nwf_rule_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfFilterRef, nwf_filter_ref_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfFilter, nwf_filter_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfBinding, nwf_binding_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfFilterStore, nwf_filter_store_free)

G_END_DECLS
