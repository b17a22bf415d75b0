// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/* Never loaded. Its BTF tells a test the layout of the structs that C# mirrors: inlined code leaves no trace there. */
#include <linux/types.h>
#include "socket_events.h"
#include "verdict_structs.h"
#include "limit_structs.h"

struct edge_key edge_key;
struct edge_totals edge_totals;
struct latency latency;
struct edge_timings edge_timings;
struct edge_failure_key edge_failure_key;
struct edge_failures edge_failures;
struct observed_bytes observed_bytes;
struct path_text path_text;
struct process_identity process_identity;
struct process_ancestors process_ancestors;
struct udp_flow_key udp_flow_key;
struct udp_flow udp_flow;
struct flow_record flow_record;
struct dns_message dns_message;
struct payload_record payload_record;
struct payload_owner payload_owner;
enum loss_reason loss_reason;
enum record_kind record_kind;
enum flow_end_reason flow_end_reason;
enum flow_attribution flow_attribution;
enum socket_operation socket_operation;
enum network_role network_role;
enum folding folding;
struct listed_range4 listed_range4;
struct listed_range6 listed_range6;
struct listed listed;
struct edge_detection_key edge_detection_key;
struct edge_owner_key edge_owner_key;
struct edge_owner edge_owner;
struct process_limit process_limit;
