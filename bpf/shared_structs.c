// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/* Never loaded. Its BTF tells a test the layout of the structs that C# mirrors: inlined code leaves no trace there. */
#include <linux/types.h>
#include "socket_events.h"

struct edge_key edge_key;
struct edge_totals edge_totals;
struct latency latency;
struct edge_timings edge_timings;
struct edge_failure_key edge_failure_key;
struct edge_failures edge_failures;
struct observed_bytes observed_bytes;
struct path_text path_text;
struct process_identity process_identity;
struct udp_flow_key udp_flow_key;
struct udp_flow udp_flow;
struct flow_record flow_record;
enum loss_reason loss_reason;
enum record_kind record_kind;
enum flow_end_reason flow_end_reason;
enum flow_attribution flow_attribution;
enum socket_operation socket_operation;
enum network_role network_role;
