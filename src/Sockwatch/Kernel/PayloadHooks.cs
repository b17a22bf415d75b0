namespace Sockwatch.Kernel;

/// <summary>What a group of hooks is for. All but the first are loaded only where they are asked for.</summary>
internal enum HookPurpose
{
    Traffic,
    SentPayload,
    ReceivedPayload,
}

/// <summary>The hooks that see what is sent and received, by the ways of <see cref="HookGroup.All"/>.</summary>
internal static class PayloadHooks
{
    private const string NoSent = "what applications send cannot be captured, nor their protocol recognised";
    private const string NoSentPages = "what is sent by sendfile and splice is not captured";
    private const string NoTurns = "what threads send in turns over one connection may be told each other's place";
    private const string NoReceived = "what applications receive cannot be captured";

    public static readonly IReadOnlyList<HookGroup> All =
    [
        new("payload sent", IsRequired: false,
        [
            new(HookBackend.Tracepoint, IsSteady: false,
            [
                new("sw_payload_sent", "payload_send", ProgramForm.TypedTracepoint, "sock_send_length", "6.3", true, NoSent),
                new("sw_payload_send", "payload_send", ProgramForm.TypedTracepoint, "tcp_sendmsg_locked", "6.17", true, NoSent),
            ]),
            new(HookBackend.Fentry, IsSteady: false,
            [
                new("sw_fexit_payload", "payload_send", ProgramForm.Trampoline, "tcp_sendmsg_locked", "5.5", true, NoSent),
                new("sw_fentry_payload", "payload_send", ProgramForm.Trampoline, "tcp_sendmsg_locked", "5.5", true, NoSent),
                new("sw_fexit_room", "payload_send", ProgramForm.Trampoline, "sk_stream_wait_memory", "5.5", false, NoTurns),
                new("sw_fexit_pages", "payload_send", ProgramForm.Trampoline, "do_tcp_sendpages", "5.5", false, NoSentPages, IfPresent: true),
                new("sw_fentry_pages", "payload_send", ProgramForm.Trampoline, "do_tcp_sendpages", "5.5", false, NoSentPages, IfPresent: true),
            ]),
            new(HookBackend.Kprobe, IsSteady: true,
            [
                new("sw_kretprobe_payload", "payload_send", ProgramForm.FunctionReturn, "tcp_sendmsg_locked", "4.14", true, NoSent),
                new("sw_kprobe_payload", "payload_send", ProgramForm.FunctionEntry, "tcp_sendmsg_locked", "4.14", true, NoSent),
                new("sw_kretprobe_room", "payload_send", ProgramForm.FunctionReturn, "sk_stream_wait_memory", "4.1", false, NoTurns),
                new("sw_kretprobe_pages", "payload_send", ProgramForm.FunctionReturn, "do_tcp_sendpages", "4.1", false, NoSentPages, IfPresent: true),
                new("sw_kprobe_pages", "payload_send", ProgramForm.FunctionEntry, "do_tcp_sendpages", "4.1", false, NoSentPages, IfPresent: true),
            ]),
        ])
        {
            Purpose = HookPurpose.SentPayload,
        },
        new("payload received", IsRequired: false,
        [
            new(HookBackend.Tracepoint, IsSteady: false,
                [new("sw_payload_received", "payload_recv", ProgramForm.TypedTracepoint, "sock_recv_length", "6.3", true, NoReceived)]),
            new(HookBackend.Fentry, IsSteady: false,
            [
                new("sw_fexit_receive4", "payload_recv", ProgramForm.Trampoline, "inet_recvmsg", "5.5", true, NoReceived),
                new("sw_fentry_receive4", "payload_recv", ProgramForm.Trampoline, "inet_recvmsg", "5.5", true, NoReceived),
                new("sw_fexit_receive6", "payload_recv", ProgramForm.Trampoline, "inet6_recvmsg", "5.5", true, NoReceived),
                new("sw_fentry_receive6", "payload_recv", ProgramForm.Trampoline, "inet6_recvmsg", "5.5", true, NoReceived),
            ]),
            new(HookBackend.Kprobe, IsSteady: true,
            [
                new("sw_kretprobe_receive4", "payload_recv", ProgramForm.FunctionReturn, "inet_recvmsg", "4.1", true, NoReceived),
                new("sw_kprobe_receive4", "payload_recv", ProgramForm.FunctionEntry, "inet_recvmsg", "4.1", true, NoReceived),
                new("sw_kretprobe_receive6", "payload_recv", ProgramForm.FunctionReturn, "inet6_recvmsg", "4.1", true, NoReceived),
                new("sw_kprobe_receive6", "payload_recv", ProgramForm.FunctionEntry, "inet6_recvmsg", "4.1", true, NoReceived),
            ]),
        ])
        {
            Purpose = HookPurpose.ReceivedPayload,
        },
    ];
}
