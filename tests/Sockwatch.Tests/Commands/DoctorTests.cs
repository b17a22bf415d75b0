using System.Text.Json;
using Sockwatch.Commands;
using Sockwatch.Kernel;
using Spectre.Console;
using Xunit;

namespace Sockwatch.Tests.Commands;

public sealed class DoctorTests : IDisposable
{
    private static readonly JsonSerializerOptions s_plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly string[] Operations = ["connect", "accept", "send", "recv", "release"];

    private static readonly HostFacts GoodHost = new()
    {
        Release = "6.12.38+deb13-amd64",
        KernelVersion = new Version(6, 12),
        Architecture = "x86_64",
        EffectiveUser = 0,
        Cgroups = new CgroupLayout("/sys/fs/cgroup", HasVersion1: false),
        BpfFileSystem = "/sys/fs/bpf",
    };

    private readonly string _root = Directory.CreateTempSubdirectory("sockwatch-doctor-").FullName;

    public DoctorTests()
    {
        Write("proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
        Write("proc/meminfo", "MemTotal:        1000000 kB\n");
        Write("agent/sockwatch.bpf.o", "");
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void A_machine_with_everything_can_run_the_agent()
    {
        var report = Checks().Run();

        Assert.True(report.CanRun);
        Assert.Equal(
            $"""
            ✓ kernel          Linux 6.12.38+deb13-amd64, x86_64
            ✓ BTF             the kernel's own
            ✓ lockdown        none
            ✓ capabilities    CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN
            ✓ cgroups         v2, cgroup2 at /sys/fs/cgroup
            ✓ bpffs           /sys/fs/bpf
            ✓ memory          maps take 9 MB at once and 28 MB when all are full, and 512 B a socket; the limit is 1 GB ({_root}/proc/meminfo)
            ✓ libbpf          v1.5
            ✓ programs        {_root}/agent/sockwatch.bpf.o

            ✓ connect         tracepoint x
            ✓ accept          tracepoint x
            ✓ send            tracepoint x
            ✓ recv            tracepoint x
            ✓ release         tracepoint x

            This machine can run sockwatch.

            """,
            DoctorText.ToText(report));
    }

    [Fact]
    public void What_stands_in_the_way_has_its_fix_below()
    {
        AssertBlocked(GoodHost with { HasKernelTypes = false }, "✗ BTF             /sys/kernel/btf/vmlinux is missing: ", "--btf FILE");
        AssertBlocked(GoodHost with { IsInUserNamespace = true }, "✗ user            in a user namespace: ", "not in a rootless container");
        AssertBlocked(With(Capability.NetAdmin, Capability.Perfmon), "✗ CAP_BPF         missing: no map can be created", "grant CAP_BPF");
        AssertBlocked(With(Capability.NetAdmin, Capability.Bpf), "✗ CAP_PERFMON     missing: no program may look", "grant CAP_PERFMON");
        AssertBlocked(
            With(Capability.NetAdmin, Capability.Bpf, Capability.Perfmon) with { KernelVersion = new Version(5, 10), LockedMemoryLimit = 65_536 },
            "✗ CAP_SYS_RESOURCE  missing: before Linux 5.11", "grant CAP_SYS_RESOURCE");

        void AssertBlocked(HostFacts host, string line, string fix)
        {
            var report = Checks(host).Run();
            var lines = DoctorText.ToText(report).Split('\n');

            Assert.False(report.CanRun);
            var at = Array.FindIndex(lines, each => each.StartsWith(line, StringComparison.Ordinal));
            Assert.True(at >= 0, $"no line \"{line}\" in\n{string.Join('\n', lines)}");
            Assert.Matches($"^ +fix: .*{fix}", lines[at + 1]);
        }
    }

    [Fact]
    public void What_only_costs_something_is_a_warning()
    {
        AssertWarned(With(Capability.Bpf, Capability.Perfmon, Capability.SysAdmin) with { Lockdown = Lockdown.Confidentiality }, "! lockdown        confidentiality: ");
        AssertWarned(With(Capability.Bpf, Capability.Perfmon), "! CAP_NET_ADMIN   missing: no cgroup hook can be attached");
        AssertWarned(With(Capability.Bpf, Capability.Perfmon, Capability.NetAdmin), "! CAP_SYS_ADMIN   missing: what the programs cost is not measured");
        AssertWarned(
            GoodHost with { Cgroups = new CgroupLayout(null, HasVersion1: false, "/sys/fs/cgroup") },
            "! cgroups         v2: /sys/fs/cgroup shows the cgroups of this container only, so cgroup hooks have no place to attach");
        Assert.Contains(
            "! CAP_SYS_PTRACE  missing: sockets that were there before",
            DoctorText.ToText(Checks(With(Capability.SysAdmin) with { HasKernelTypes = false }, btf: "/k.btf").Run()), StringComparison.Ordinal);

        void AssertWarned(HostFacts host, string line)
        {
            var report = Checks(host).Run();

            Assert.True(report.CanRun);
            Assert.Contains("\n" + line, "\n" + DoctorText.ToText(report), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_host_without_cgroup2_has_one_made_where_that_is_permitted()
    {
        Assert.Contains(
            "✓ cgroups         v1; the agent mounts cgroup2 for itself",
            DoctorText.ToText(Checks(GoodHost with { Cgroups = new CgroupLayout(null, HasVersion1: true) }).Run()), StringComparison.Ordinal);
    }

    [Fact]
    public void Bpf_that_is_open_to_everybody_is_a_warning()
    {
        Write("proc/sys/kernel/unprivileged_bpf_disabled", "0\n");

        Assert.Contains("! unprivileged BPF  open to every user", DoctorText.ToText(Checks().Run()), StringComparison.Ordinal);
    }

    [Fact]
    public void Maps_that_do_not_fit_at_once_block_and_those_that_will_not_fit_when_full_warn()
    {
        Write("proc/self/mountinfo", $"30 24 0:26 / {_root}/cg rw - cgroup2 cgroup2 rw\n");
        Write("proc/self/cgroup", "0::/pod/agent\n");
        Write("cg/pod/memory.max", "5000000\n");
        Write("cg/pod/agent/memory.max", "max\n");

        var tight = Checks().Run();
        Write("cg/pod/memory.max", "15000000\n");
        var narrow = Checks().Run();

        Assert.False(tight.CanRun);
        Assert.Contains(
            $"✗ memory          maps take 9 MB at once and 28 MB when all are full, and 512 B a socket; the limit is 5 MB ({_root}/cg/pod/memory.max)\n" +
            "                  fix: raise it to 28 MB and what the agent itself needs, or lower the limits of kernel., above all what bounds edges\n",
            DoctorText.ToText(tight), StringComparison.Ordinal);
        Assert.True(narrow.CanRun);
        Assert.Contains("! memory          maps take", DoctorText.ToText(narrow), StringComparison.Ordinal);
    }

    [Fact]
    public void Before_5_11_all_maps_count_as_locked_memory()
    {
        var host = With(Capability.Bpf, Capability.Perfmon, Capability.NetAdmin) with { KernelVersion = new Version(5, 10), LockedMemoryLimit = 10_000_000 };

        Assert.Contains("which is limited to 10 MB", DoctorText.ToText(Checks(host).Run()), StringComparison.Ordinal);
        Assert.DoesNotContain("limited to", DoctorText.ToText(Checks(host with { LockedMemoryLimit = null }).Run()), StringComparison.Ordinal);
    }

    [Fact]
    public void Types_from_a_file_are_told_with_what_they_do_not_do()
    {
        Assert.Contains("! BTF             from /k.btf; programs on tracepoints and functions need the kernel's own",
            DoctorText.ToText(Checks(GoodHost with { HasKernelTypes = false }, btf: "/k.btf").Run()), StringComparison.Ordinal);
        Assert.Contains("! BTF             from /k.btf, though the kernel has its own",
            DoctorText.ToText(Checks(btf: "/k.btf").Run()), StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_files_are_told_and_not_thrown()
    {
        Directory.Delete(Path.Combine(_root, "proc"), recursive: true);

        var text = DoctorText.ToText(Checks(HostFacts.Read(Paths), agent: "nowhere", libbpf: null).Run());

        Assert.Contains("✗ BTF             /sys/kernel/btf/vmlinux is missing", text, StringComparison.Ordinal);
        Assert.Contains("! kernel          unknown release \"\"", text, StringComparison.Ordinal);
        Assert.Contains("✗ libbpf          libbpf.so.1 is not installed", text, StringComparison.Ordinal);
        Assert.Contains($"✗ programs        {_root}/nowhere/sockwatch.bpf.o is missing", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_backend_that_works_is_in_use_and_the_better_ones_have_their_reason()
    {
        var report = Checks(probe: () =>
        [
            .. Needs("connect", "accept", "recv", "release"),
            new HookNeed("send", true, "sent bytes are not counted",
            [
                new HookCandidate("tracepoint", "sock_send_length", new Refusal("this kernel has no tracepoint sock_send_length", "use Linux 6.3 or newer")),
                new HookCandidate("fentry", "inet_sendmsg inet6_sendmsg"),
                new HookCandidate("kprobe", "inet_sendmsg inet6_sendmsg"),
            ]),
            new HookNeed("send", false, "datagrams have no peer", [new HookCandidate("cgroup", "sendmsg4"), new HookCandidate("fentry", "udp_sendmsg")]),
        ]).Run();

        Assert.True(report.CanRun);
        Assert.Contains(
            """
            ✓ send            fentry inet_sendmsg inet6_sendmsg, cgroup sendmsg4
                              no tracepoint sock_send_length: this kernel has no tracepoint sock_send_length

            """,
            DoctorText.ToText(report), StringComparison.Ordinal);
    }

    [Fact]
    public void A_blind_operation_names_every_backend_the_cost_and_the_fix()
    {
        var noRight = new Refusal("not permitted: run as root, or with CAP_NET_ADMIN", "grant CAP_NET_ADMIN");
        var report = Checks(probe: () =>
        [
            .. Needs("connect", "accept", "release"),
            new HookNeed("send", true, "sent bytes are not counted",
            [
                new HookCandidate("tracepoint", "sock_send_length", new Refusal("this kernel has no tracepoint sock_send_length", "use Linux 6.3 or newer")),
                new HookCandidate("fentry", "inet_sendmsg", new Refusal("this kernel cannot attach programs to functions")),
            ]),
            new HookNeed("recv", true, "received bytes are not counted", [new HookCandidate("tracepoint", "sock_recv_length")]),
            new HookNeed("recv", false, "IPv4 datagrams have no peer", [new HookCandidate("cgroup", "recvmsg4", noRight)]),
            new HookNeed("recv", false, "IPv6 datagrams have no peer", [new HookCandidate("cgroup", "recvmsg6", noRight)]),
            new HookNeed("reset", false, "resets are not counted", [new HookCandidate("cgroup", "x", noRight)]),
        ]).Run();

        Assert.False(report.CanRun);
        Assert.EndsWith(
            """
            ✗ send            not seen
                              no tracepoint sock_send_length: this kernel has no tracepoint sock_send_length
                              no fentry inet_sendmsg: this kernel cannot attach programs to functions
                              cost: sent bytes are not counted
                              fix: use Linux 6.3 or newer
            ! recv            tracepoint sock_recv_length
                              no cgroup recvmsg4 recvmsg6: not permitted: run as root, or with CAP_NET_ADMIN
                              cost: IPv4 datagrams have no peer; IPv6 datagrams have no peer
                              fix: grant CAP_NET_ADMIN
            ! reset           not seen
                              no cgroup x: not permitted: run as root, or with CAP_NET_ADMIN
                              cost: resets are not counted

            This machine cannot run sockwatch yet: 1 requirement is not met.

            """,
            DoctorText.ToText(report), StringComparison.Ordinal);
    }

    [Fact]
    public void A_probe_that_fails_is_a_finding()
    {
        var report = Checks(probe: () => throw new InvalidOperationException("no\nlibbpf")).Run();

        Assert.False(report.CanRun);
        Assert.Contains("✗ hooks           cannot be tried: no libbpf\n", DoctorText.ToText(report), StringComparison.Ordinal);
    }

    [Fact]
    public void A_terminal_gets_colours_and_its_own_width()
    {
        using var text = new StringWriter { NewLine = "\n" };
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.Standard,
            Out = new AnsiConsoleOutput(text),
            EnvironmentVariables = new Dictionary<string, string>(),
        });
        console.Profile.Width = 60;

        DoctorText.Show(console, Checks(With(Capability.Bpf)).Run());

        Assert.Contains("\e[32m✓\e[0m kernel ", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("✗\e[0m CAP_PERFMON ", text.ToString(), StringComparison.Ordinal);
        Assert.All(text.ToString().Split('\n'), line => Assert.True(WithoutColours(line).Length <= 60, line));
    }

    [Fact]
    public void Names_that_others_chose_are_text_and_no_markup()
    {
        var hostile = GoodHost with { Cgroups = new CgroupLayout("/mnt/[red]\e[2J", HasVersion1: true) };
        using var text = new StringWriter { NewLine = "\n" };
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 300;

        DoctorText.Show(console, Checks(hostile).Run());

        Assert.Contains("hybrid, cgroup2 at /mnt/[red]\uFFFD[2J", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("hybrid, cgroup2 at /mnt/[red]\uFFFD[2J", DoctorText.ToText(Checks(hostile).Run()), StringComparison.Ordinal);
    }

    [Fact]
    public void Prints_json_for_programs()
    {
        using var text = new StringWriter();

        DoctorJson.Write(text, Checks(probe: () =>
        [
            .. Needs("connect", "accept", "recv", "release"),
            new HookNeed("send", true, "sent bytes are not counted",
                [new HookCandidate("tracepoint", "a", new Refusal("not here", "do that")), new HookCandidate("fentry", "b")]),
            new HookNeed("send", false, "datagrams have no peer", [new HookCandidate("cgroup", "c", new Refusal("nor here"))]),
        ]).Run());

        using var json = JsonDocument.Parse(text.ToString());
        var root = json.RootElement;
        Assert.Equal(
            ["ok", "version", "host", "memory", "checks", "operations", "hooks"], root.EnumerateObject().Select(member => member.Name));
        Assert.True(root.GetProperty("ok").GetBoolean());
        Assert.Equal(
            """{"kernel":"6.12.38+deb13-amd64","architecture":"x86_64","btf":true,"lockdown":"none","cgroups":"v2","cgroup2":"/sys/fs/cgroup","bpffs":"/sys/fs/bpf"}""",
            Compact(root.GetProperty("host")));
        Assert.Equal(
            $$"""{"at_once":9000000,"when_full":28000000,"per_socket":512,"limit":1024000000,"limit_source":"{{_root}}/proc/meminfo","maps":[{"map":"flow_records","at_once":8000000,"when_full":8000000},{"map":"edges","at_once":1000000,"when_full":20000000}]}""",
            Compact(root.GetProperty("memory")));
        Assert.Equal(
            """{"name":"kernel","state":"ok","detail":"Linux 6.12.38+deb13-amd64, x86_64","fix":null}""", Compact(root.GetProperty("checks")[0]));
        Assert.Equal(
            """{"operation":"send","state":"warning","backends":["fentry"],"blind":["datagrams have no peer"]}""", Compact(root.GetProperty("operations")[4]));
        Assert.Equal(
            [
                """{"operation":"send","backend":"tracepoint","hook":"a","works":false,"in_use":false,"required":true,"reason":"not here","fix":"do that"}""",
                """{"operation":"send","backend":"fentry","hook":"b","works":true,"in_use":true,"required":true,"reason":null,"fix":null}""",
                """{"operation":"send","backend":"cgroup","hook":"c","works":false,"in_use":false,"required":false,"reason":"nor here","fix":null}""",
            ],
            root.GetProperty("hooks").EnumerateArray().Skip(4).Select(Compact));
        Assert.All(
            NeededCapability.On(GoodHost, capturesPayload: false), needed => Assert.Contains(root.GetProperty("checks").EnumerateArray(), check => check.GetProperty("name").GetString() == needed.Name));
    }

    [Fact]
    public void Payload_asks_for_a_capability_of_its_own()
    {
        var host = With(Capability.Bpf, Capability.Perfmon, Capability.NetAdmin);

        Assert.DoesNotContain("CAP_SYSLOG", DoctorText.ToText(Checks(host).Run()), StringComparison.Ordinal);
        Assert.Contains(
            "! CAP_SYSLOG      missing: payload that sendfile and splice send is not captured", DoctorText.ToText(Checks(host, payload: true).Run()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_machine_that_cannot_is_exit_code_1()
    {
        using var run = new CommandRun { Paths = Paths, AgentDirectory = Path.Combine(_root, "agent") };

        Assert.Equal(ExitCode.Failed, await run.InvokeAsync("doctor"));
        Assert.Contains("✗ connect         not seen\n", run.Output, StringComparison.Ordinal);
        Assert.Equal("", run.Error);
    }

    [Fact]
    public async Task The_limits_are_those_of_the_configuration()
    {
        using var run = new CommandRun { Paths = Paths, Environment = { ["SOCKWATCH__KERNEL__MAXEDGES"] = "77" } };

        await run.InvokeAsync("doctor", "--btf", "/some.btf");

        Assert.Equal(77, run.Composition.Probed!.MaxEdges);
        Assert.Equal("/some.btf", run.Composition.Probed.Btf);
    }

    private HostPaths Paths => new() { ProcRoot = Path.Combine(_root, "proc"), SysRoot = Path.Combine(_root, "sys") };

    private DoctorChecks Checks(
        HostFacts? host = null, Func<IReadOnlyList<HookNeed>>? probe = null, string btf = "", bool payload = false, string agent = "agent", string? libbpf = "v1.5") =>
        new(host ?? GoodHost, Paths, btf, payload, Path.Combine(_root, agent), () => libbpf, new FakeProbe(probe ?? (() => Needs(Operations)))
        {
            NoCgroupHooks = host?.Cgroups.OfContainer is null ? null : Cgroup2.WhyNot(host.Cgroups),
        });

    private static IReadOnlyList<HookNeed> Needs(params string[] operations) =>
        [.. operations.Select(operation => new HookNeed(operation, true, "nothing is seen", [new HookCandidate("tracepoint", "x")]))];

    private static HostFacts With(params Capability[] capabilities) =>
        GoodHost with { Capabilities = new CapabilitySet(capabilities.Aggregate(0UL, (bits, capability) => bits | (1UL << (int)capability))) };

    private static string Compact(JsonElement element) => JsonSerializer.Serialize(element, s_plain);

    private static string WithoutColours(string line) => System.Text.RegularExpressions.Regex.Replace(line, "\e\\[[0-9;]*m", "");

    private void Write(string path, string content)
    {
        var file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
    }
}
