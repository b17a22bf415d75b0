namespace Sockwatch.Kernel;

/// <summary>Programs that together observe something, by one backend.</summary>
/// <param name="Backend">That of the programs which are required.</param>
/// <param name="IsSteady">Its programs run with preemption off on every kernel.</param>
internal sealed record HookWay(HookBackend Backend, bool IsSteady, IReadOnlyList<HookProgram> Programs)
{
    public IEnumerable<HookProgram> Required => Programs.Where(program => program.IsRequired);
}

/// <summary>Something to observe and the ways to do it, of which one is chosen.</summary>
/// <param name="IsRequired">Without it the agent does not run.</param>
internal sealed record HookGroup(string Name, bool IsRequired, IReadOnlyList<HookWay> Ways)
{
    /// <summary>Groups that are for something else than traffic are used only where that is asked for.</summary>
    public HookPurpose Purpose { get; init; }

    private const string NoConnections = "TCP connections are not seen";
    private const string NoAccepts = "accepted connections are not seen";
    private const string NoRefusals4 = "IPv4 connects that fail before the first packet, and UDP connects, are not counted";
    private const string NoRefusals6 = "IPv6 connects that fail before the first packet, and UDP connects, are not counted";
    private const string NoRefusals = "connects that fail before the first packet are counted late, and all as network_unreachable";
    private const string NoUdpConnects = "UDP connects are not counted";
    private const string NoListeners = "who listens is not seen";
    private const string NoAcceptor = "a connection is accepted when it is first used";
    private const string NoSent = "sent bytes are not counted";
    private const string NoReceived = "received bytes are not counted";
    private const string NoSentPeer4 = "datagrams of unconnected IPv4 sockets have no peer";
    private const string NoSentPeer6 = "datagrams of unconnected IPv6 sockets have no peer";
    private const string NoReceivedPeer4 = "datagrams received by unconnected IPv4 sockets have no peer";
    private const string NoReceivedPeer6 = "datagrams received by unconnected IPv6 sockets have no peer";
    private const string NoPages = "bytes sent by sendfile and splice are not counted";
    private const string NoRelease = "the end of UDP sockets is not seen";
    private const string NoDestroy = "the last retransmits of a connection are not counted";
    private const string NoResetsSent = "resets sent are not counted";
    private const string NoResetsReceived = "resets received are not counted";
    private const string NoExec = "a process keeps the name it had before it executed another program";
    private const string NoExit = "identities of processes that are gone fill their table";
    private const string NoResetDeputy = "a reset that interrupts another one is missed, and counted as lost";
    private const string NoDeputy = "a state change that interrupts another one is missed, and counted as lost";

    /// <summary>Totals would be wrong without it.</summary>
    public static bool IsNeeded(HookProgram hook) => hook.IsRequired && All.Any(group => group.IsRequired && group.Ways.Any(way => way.Programs.Contains(hook)));

    /// <summary>Everything there is to observe. The ways of each are in the order of what they cost.</summary>
    public static readonly IReadOnlyList<HookGroup> All =
    [
        new("connections", IsRequired: true,
        [
            new(HookBackend.Tracepoint, IsSteady: false,
            [
                new("sw_state", "connect", ProgramForm.TypedTracepoint, "inet_sock_set_state", "5.5", true, NoConnections),
                new("sw_state_deputy", "connect", ProgramForm.TypedTracepoint, "inet_sock_set_state", "5.5", false, NoDeputy),
                new("sw_connect4", "connect", ProgramForm.Cgroup, "connect4", "4.17", false, NoRefusals4),
                new("sw_connect6", "connect", ProgramForm.Cgroup, "connect6", "4.17", false, NoRefusals6),
                new("sw_state", "accept", ProgramForm.TypedTracepoint, "inet_sock_set_state", "5.5", true, NoAccepts),
            ]),
            new(HookBackend.Fentry, IsSteady: false,
            [
                new("sw_fentry_state", "connect", ProgramForm.Trampoline, "tcp_set_state", "5.5", true, NoConnections),
                new("sw_fentry_stream", "connect", ProgramForm.Trampoline, "__inet_stream_connect", "5.5", false, NoRefusals),
                new("sw_fexit_stream", "connect", ProgramForm.Trampoline, "__inet_stream_connect", "5.5", false, NoRefusals),
                new("sw_fentry_dgram", "connect", ProgramForm.Trampoline, "inet_dgram_connect", "5.5", false, NoUdpConnects),
                new("sw_fexit_dgram", "connect", ProgramForm.Trampoline, "inet_dgram_connect", "5.5", false, NoUdpConnects),
                new("sw_fentry_state", "accept", ProgramForm.Trampoline, "tcp_set_state", "5.5", true, NoAccepts),
                new("sw_fentry_listen4", "accept", ProgramForm.Trampoline, "inet_hash", "5.5", true, NoListeners),
                new("sw_fentry_listen6", "accept", ProgramForm.Trampoline, "inet6_hash", "5.5", false, NoListeners, IfPresent: true),
                new("sw_fexit_accept", "accept", ProgramForm.Trampoline, "inet_accept", "5.5", false, NoAcceptor),
            ]),
            new(HookBackend.Tracepoint, IsSteady: true,
            [
                new("sw_state_steady", "connect", ProgramForm.Tracepoint, "sock/inet_sock_set_state", "4.16", true, NoConnections),
                new("sw_connect4", "connect", ProgramForm.Cgroup, "connect4", "4.17", false, NoRefusals4),
                new("sw_connect6", "connect", ProgramForm.Cgroup, "connect6", "4.17", false, NoRefusals6),
                new("sw_state_steady", "accept", ProgramForm.Tracepoint, "sock/inet_sock_set_state", "4.16", true, NoAccepts),
            ]),
            new(HookBackend.Kprobe, IsSteady: true,
            [
                new("sw_kprobe_state", "connect", ProgramForm.FunctionEntry, "tcp_set_state", "4.1", true, NoConnections),
                new("sw_state_deputy", "connect", ProgramForm.TypedTracepoint, "inet_sock_set_state", "5.5", false, NoDeputy),
                new("sw_kprobe_stream", "connect", ProgramForm.FunctionEntry, "__inet_stream_connect", "4.1", false, NoRefusals),
                new("sw_kprobe_dgram", "connect", ProgramForm.FunctionEntry, "inet_dgram_connect", "4.1", false, NoUdpConnects),
                new("sw_kprobe_state", "accept", ProgramForm.FunctionEntry, "tcp_set_state", "4.1", true, NoAccepts),
                new("sw_kprobe_listen4", "accept", ProgramForm.FunctionEntry, "inet_hash", "4.1", true, NoListeners),
                new("sw_kprobe_listen6", "accept", ProgramForm.FunctionEntry, "inet6_hash", "4.1", false, NoListeners, IfPresent: true),
                new("sw_kretprobe_accept", "accept", ProgramForm.FunctionReturn, "inet_csk_accept", "4.1", false, NoAcceptor),
            ]),
        ]),
        new("send", IsRequired: true,
        [
            new(HookBackend.Tracepoint, IsSteady: false,
            [
                new("sw_send", "send", ProgramForm.TypedTracepoint, "sock_send_length", "6.3", true, NoSent),
                new("sw_sendmsg4", "send", ProgramForm.Cgroup, "sendmsg4", "4.18", false, NoSentPeer4),
                new("sw_sendmsg6", "send", ProgramForm.Cgroup, "sendmsg6", "4.18", false, NoSentPeer6),
            ]),
            new(HookBackend.Fentry, IsSteady: false,
            [
                new("sw_fexit_send4", "send", ProgramForm.Trampoline, "inet_sendmsg", "5.5", true, NoSent),
                new("sw_fexit_send6", "send", ProgramForm.Trampoline, "inet6_sendmsg", "5.5", true, NoSent),
                new("sw_fexit_page", "send", ProgramForm.Trampoline, "inet_sendpage", "5.5", true, NoPages, IfPresent: true),
            ]),
            new(HookBackend.Tracepoint, IsSteady: true,
            [
                new("sw_send_steady", "send", ProgramForm.Tracepoint, "sock/sock_send_length", "6.3", true, NoSent),
                new("sw_sendmsg4", "send", ProgramForm.Cgroup, "sendmsg4", "4.18", false, NoSentPeer4),
                new("sw_sendmsg6", "send", ProgramForm.Cgroup, "sendmsg6", "4.18", false, NoSentPeer6),
            ]),
            new(HookBackend.Kprobe, IsSteady: true,
            [
                new("sw_kretprobe_send4", "send", ProgramForm.FunctionReturn, "inet_sendmsg", "4.1", true, NoSent),
                new("sw_kprobe_send4", "send", ProgramForm.FunctionEntry, "inet_sendmsg", "4.1", true, NoSent),
                new("sw_kretprobe_send6", "send", ProgramForm.FunctionReturn, "inet6_sendmsg", "4.1", true, NoSent),
                new("sw_kprobe_send6", "send", ProgramForm.FunctionEntry, "inet6_sendmsg", "4.1", true, NoSent),
                new("sw_kretprobe_page", "send", ProgramForm.FunctionReturn, "inet_sendpage", "4.1", true, NoPages, IfPresent: true),
                new("sw_kprobe_page", "send", ProgramForm.FunctionEntry, "inet_sendpage", "4.1", true, NoPages, IfPresent: true),
            ]),
        ]),
        new("recv", IsRequired: true,
        [
            new(HookBackend.Tracepoint, IsSteady: false,
            [
                new("sw_recv", "recv", ProgramForm.TypedTracepoint, "sock_recv_length", "6.3", true, NoReceived),
                new("sw_recvmsg4", "recv", ProgramForm.Cgroup, "recvmsg4", "5.2", false, NoReceivedPeer4),
                new("sw_recvmsg6", "recv", ProgramForm.Cgroup, "recvmsg6", "5.2", false, NoReceivedPeer6),
            ]),
            new(HookBackend.Fentry, IsSteady: false,
            [
                new("sw_fexit_recv4", "recv", ProgramForm.Trampoline, "inet_recvmsg", "5.5", true, NoReceived),
                new("sw_fexit_recv6", "recv", ProgramForm.Trampoline, "inet6_recvmsg", "5.5", true, NoReceived),
            ]),
            new(HookBackend.Tracepoint, IsSteady: true,
            [
                new("sw_recv_steady", "recv", ProgramForm.Tracepoint, "sock/sock_recv_length", "6.3", true, NoReceived),
                new("sw_recvmsg4", "recv", ProgramForm.Cgroup, "recvmsg4", "5.2", false, NoReceivedPeer4),
                new("sw_recvmsg6", "recv", ProgramForm.Cgroup, "recvmsg6", "5.2", false, NoReceivedPeer6),
            ]),
            new(HookBackend.Kprobe, IsSteady: true,
            [
                new("sw_kretprobe_recv4", "recv", ProgramForm.FunctionReturn, "inet_recvmsg", "4.1", true, NoReceived),
                new("sw_kprobe_recv4", "recv", ProgramForm.FunctionEntry, "inet_recvmsg", "4.1", true, NoReceived),
                new("sw_kretprobe_recv6", "recv", ProgramForm.FunctionReturn, "inet6_recvmsg", "4.1", true, NoReceived),
                new("sw_kprobe_recv6", "recv", ProgramForm.FunctionEntry, "inet6_recvmsg", "4.1", true, NoReceived),
            ]),
        ]),
        new("release", IsRequired: true,
        [
            new(HookBackend.Tracepoint, IsSteady: false,
            [
                new("sw_release", "release", ProgramForm.Cgroup, "sock_release", "5.9", true, NoRelease),
                new("sw_destroy", "release", ProgramForm.TypedTracepoint, "tcp_destroy_sock", "5.5", true, NoDestroy),
                new("sw_destroy_deputy", "release", ProgramForm.TypedTracepoint, "tcp_destroy_sock", "5.5", false, NoDeputy, HashOnly: true),
            ]),
            new(HookBackend.Fentry, IsSteady: false,
            [
                new("sw_fentry_release", "release", ProgramForm.Trampoline, "inet_release", "5.5", true, NoRelease),
                new("sw_fentry_destroy", "release", ProgramForm.Trampoline, "tcp_v4_destroy_sock", "5.5", true, NoDestroy),
            ]),
            new(HookBackend.Tracepoint, IsSteady: true,
            [
                new("sw_release", "release", ProgramForm.Cgroup, "sock_release", "5.9", true, NoRelease),
                new("sw_destroy_steady", "release", ProgramForm.Tracepoint, "tcp/tcp_destroy_sock", "4.16", true, NoDestroy),
            ]),
            new(HookBackend.Kprobe, IsSteady: true,
            [
                new("sw_kprobe_release", "release", ProgramForm.FunctionEntry, "inet_release", "4.1", true, NoRelease),
                new("sw_kprobe_destroy", "release", ProgramForm.FunctionEntry, "tcp_v4_destroy_sock", "4.1", true, NoDestroy),
                new("sw_destroy_deputy", "release", ProgramForm.TypedTracepoint, "tcp_destroy_sock", "5.5", false, NoDeputy, HashOnly: true),
            ]),
        ]),
        new("resets sent", IsRequired: false,
        [
            new(HookBackend.Tracepoint, IsSteady: false,
            [
                new("sw_reset_sent", "reset", ProgramForm.TypedTracepoint, "tcp_send_reset", "5.5", true, NoResetsSent),
                new("sw_reset_sent_deputy", "reset", ProgramForm.TypedTracepoint, "tcp_send_reset", "5.5", false, NoResetDeputy),
            ]),
            new(HookBackend.Tracepoint, IsSteady: true,
                [new("sw_reset_sent_steady", "reset", ProgramForm.Tracepoint, "tcp/tcp_send_reset", "4.16", true, NoResetsSent)]),
        ]),
        new("resets received", IsRequired: false,
        [
            new(HookBackend.Tracepoint, IsSteady: false,
            [
                new("sw_reset_received", "reset", ProgramForm.TypedTracepoint, "tcp_receive_reset", "5.5", true, NoResetsReceived),
                new("sw_reset_received_deputy", "reset", ProgramForm.TypedTracepoint, "tcp_receive_reset", "5.5", false, NoResetDeputy),
            ]),
            new(HookBackend.Tracepoint, IsSteady: true,
                [new("sw_reset_received_steady", "reset", ProgramForm.Tracepoint, "tcp/tcp_receive_reset", "4.16", true, NoResetsReceived)]),
        ]),
        new("processes", IsRequired: true,
        [
            new(HookBackend.Tracepoint, IsSteady: false,
            [
                new("sw_exec", "process", ProgramForm.TypedTracepoint, "sched_process_exec", "5.5", true, NoExec),
                new("sw_exit", "process", ProgramForm.TypedTracepoint, "sched_process_exit", "5.5", true, NoExit),
            ]),
            new(HookBackend.Tracepoint, IsSteady: true,
            [
                new("sw_exec_steady", "process", ProgramForm.Tracepoint, "sched/sched_process_exec", "4.16", true, NoExec),
                new("sw_exit_steady", "process", ProgramForm.Tracepoint, "sched/sched_process_exit", "4.16", true, NoExit),
            ]),
        ]),
        .. PayloadHooks.All,
    ];
}
