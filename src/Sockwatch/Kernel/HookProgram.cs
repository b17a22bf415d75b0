namespace Sockwatch.Kernel;

/// <summary>How a program gets to run.</summary>
internal enum HookBackend
{
    Tracepoint,
    Cgroup,
}

internal static class HookBackends
{
    /// <summary>The value of the <c>backend</c> label.</summary>
    public static string Name(this HookBackend backend) => backend switch
    {
        HookBackend.Tracepoint => "tracepoint",
        _ => "cgroup",
    };
}

/// <summary>One program of sockwatch.bpf.o, and what the agent would not see without it.</summary>
/// <param name="Program">The program's name in the object.</param>
/// <param name="Operation">What it observes, as in <c>sockwatch_hook_info</c>.</param>
/// <param name="Hook">The tracepoint or cgroup hook it sits on.</param>
/// <param name="Since">The first kernel that has the hook in this form.</param>
/// <param name="IsRequired">Without it totals would be wrong; without the others something is missing, and said so.</param>
/// <param name="Without">What is missing when it cannot be attached.</param>
internal sealed record HookProgram(
    string Program, string Operation, HookBackend Backend, string Hook, string Since, bool IsRequired, string Without)
{
    public static readonly IReadOnlyList<HookProgram> All =
    [
        new("sw_state", "connect", HookBackend.Tracepoint, "inet_sock_set_state", "4.16", true, "TCP connections are not seen"),
        new("sw_connect4", "connect", HookBackend.Cgroup, "connect4", "4.17", false, "IPv4 connects that fail before the first packet, and UDP connects, are not counted"),
        new("sw_connect6", "connect", HookBackend.Cgroup, "connect6", "4.17", false, "IPv6 connects that fail before the first packet, and UDP connects, are not counted"),
        new("sw_state", "accept", HookBackend.Tracepoint, "inet_sock_set_state", "4.16", true, "accepted connections are not seen"),
        new("sw_send", "send", HookBackend.Tracepoint, "sock_send_length", "6.3", true, "sent bytes are not counted"),
        new("sw_sendmsg4", "send", HookBackend.Cgroup, "sendmsg4", "4.18", false, "datagrams of unconnected IPv4 sockets have no peer"),
        new("sw_sendmsg6", "send", HookBackend.Cgroup, "sendmsg6", "4.18", false, "datagrams of unconnected IPv6 sockets have no peer"),
        new("sw_recv", "recv", HookBackend.Tracepoint, "sock_recv_length", "6.3", true, "received bytes are not counted"),
        new("sw_recvmsg4", "recv", HookBackend.Cgroup, "recvmsg4", "5.2", false, "datagrams received by unconnected IPv4 sockets have no peer"),
        new("sw_recvmsg6", "recv", HookBackend.Cgroup, "recvmsg6", "5.2", false, "datagrams received by unconnected IPv6 sockets have no peer"),
        new("sw_release", "release", HookBackend.Cgroup, "sock_release", "5.9", true, "the end of UDP sockets is not seen"),
        new("sw_destroy", "release", HookBackend.Tracepoint, "tcp_destroy_sock", "4.16", true, "the last retransmits of a connection are not counted"),
        new("sw_reset_sent", "reset", HookBackend.Tracepoint, "tcp_send_reset", "4.16", false, "resets sent are not counted"),
        new("sw_reset_received", "reset", HookBackend.Tracepoint, "tcp_receive_reset", "4.16", false, "resets received are not counted"),
        new("sw_exec", "process", HookBackend.Tracepoint, "sched_process_exec", "4.16", true, "a process keeps the name it had before it executed another program"),
        new("sw_exit", "process", HookBackend.Tracepoint, "sched_process_exit", "4.16", true, "identities of processes that are gone fill their table"),
    ];
}
