using System.Globalization;
using System.Text.Json;
using Sockwatch.Bpf;
using Sockwatch.Kernel;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Doctor;

/// <summary>What doctor and run say on this kernel when something is taken away from them.</summary>
public class DoctorTests(ITestOutputHelper output)
{
    [Fact]
    public void The_planned_memory_is_what_the_kernel_takes()
    {
        Requires.Bpf();
        using var maps = BpfObject.Open(KernelPrograms.ObjectPath);
        foreach (var program in maps.Programs)
        {
            maps.SetAutoload(program.Name, false);
        }

        var plan = MapPlan.Of(maps.Maps, BpfHost.PossibleCpus).Maps.ToDictionary(map => map.Name);
        maps.Load();
        var taken = MemoryOfMaps();
        Assert.SkipWhen(taken.Values.Sum() < 1_000_000, "this kernel does not tell what a map takes");

        foreach (var (type, key, value, entries, bytes) in taken.Keys.Zip(taken.Values, (map, bytes) => (map.Type, map.Key, map.Value, map.Entries, bytes)))
        {
            var info = maps.Maps.FirstOrDefault(map => (int)map.Type == type && map.KeySize == key && map.ValueSize == value && map.MaxEntries == entries);
            if (info is not null && plan.TryGetValue(info.Name, out var planned))
            {
                output.WriteLine($"{info.Name}: planned {planned.AtOnce}, taken {bytes}");
                Assert.True(
                    Math.Abs(planned.AtOnce - bytes) <= Math.Max(bytes / 10, 16_384), $"{info.Name}: planned {planned.AtOnce}, taken {bytes}");
            }
        }
    }

    [Theory]
    [InlineData("cap_bpf", "CAP_BPF", false)]
    [InlineData("cap_perfmon", "CAP_PERFMON", false)]
    [InlineData("cap_net_admin", "CAP_NET_ADMIN", null)]
    public async Task A_missing_capability_is_named_by_doctor_and_at_the_start(string dropped, string name, bool? runs)
    {
        Requires.Bpf();
        var capsh = Requires.Program("capsh", "libcap2-bin");
        string[] without = [$"--drop={dropped},cap_sys_admin", "--", "-c"];

        var doctor = await Shell.RunAsync(capsh, [.. without, $"{Repository.Agent} doctor"]);
        var json = await Shell.RunAsync(capsh, [.. without, $"{Repository.Agent} doctor --json"]);

        output.WriteLine(doctor.Output);
        Assert.Matches($"(?m)^[!✗] {name} +missing: ", doctor.Output);
        Assert.Contains($"not permitted: run as root, or with {name}", doctor.Output);
        Assert.Matches($"(?m)^ +fix: run as root, or grant {name} ", doctor.Output);
        Assert.Equal(doctor.ExitCode, json.ExitCode);
        using var report = JsonDocument.Parse(json.Output);
        Assert.Equal(json.ExitCode == 0, report.RootElement.GetProperty("ok").GetBoolean());
        Assert.Equal(
            $"not permitted: run as root, or with {name}",
            report.RootElement.GetProperty("hooks").EnumerateArray().First(hook => !hook.GetProperty("works").GetBoolean()).GetProperty("reason").GetString());
        if (runs == false)
        {
            var run = await Shell.RunAsync(capsh, [.. without, $"{Repository.Agent} run --listen 127.0.0.1:{RunningAgent.FreePort()}"]);

            output.WriteLine(run.Errors);
            Assert.Equal(1, run.ExitCode);
            Assert.Single(run.Errors.Trim().Split('\n'));
            Assert.Contains(name, run.Errors);
        }
    }

    [Fact]
    public async Task What_costs_only_something_is_told_when_the_agent_starts()
    {
        Requires.Bpf();
        var capsh = Requires.Program("capsh", "libcap2-bin");

        var trace = await Shell.RunAsync(capsh, "--drop=cap_sys_admin", "--", "-c", $"{Repository.Agent} trace --log-level info --for 100ms");

        output.WriteLine(trace.Errors);
        Assert.Equal(0, trace.ExitCode);
        Assert.Contains("Host: Linux ", trace.Errors);
        Assert.Contains("; lockdown ", trace.Errors);
        Assert.Contains("Without CAP_SYS_ADMIN: what the programs cost is not measured", trace.Errors);
    }

    [Fact]
    public async Task Mounts_cgroup2_for_itself_where_the_host_has_none()
    {
        Requires.Bpf();
        var unshare = Requires.Program("unshare", "util-linux");
        const string Hide = "while umount -l $(grep -m 1 ' - cgroup2 ' /proc/self/mountinfo | cut -d ' ' -f 5) 2>/dev/null; do :; done; mounts=$(wc -l </proc/self/mountinfo)";

        var doctor = await Shell.RunAsync(unshare, "-m", "sh", "-c", $"{Hide}; {Repository.Agent} doctor; test $mounts = $(wc -l </proc/self/mountinfo) && echo as before");
        var trace = await Shell.RunAsync(unshare, "-m", "sh", "-c", $"{Hide}; {Repository.Agent} trace --log-level info --for 100ms");

        output.WriteLine(doctor.Output);
        Assert.Contains("; the agent mounts cgroup2 for itself", doctor.Output);
        Assert.Matches("(?m)^✓ release +.*cgroup sock_release", doctor.Output);
        Assert.EndsWith("as before\n", doctor.Output);
        Assert.Equal(0, trace.ExitCode);
        Assert.Contains("cgroup2 not mounted", trace.Errors);
        Assert.DoesNotContain("Not attached", trace.Errors);
    }

    [Fact]
    public async Task Takes_the_types_of_the_kernel_from_a_file()
    {
        Requires.Bpf();
        using var file = new TemporaryFile(File.ReadAllBytes("/sys/kernel/btf/vmlinux"));

        var trace = await Shell.RunAsync(Repository.Agent, "trace", "--btf", file.Path, "--for", "100ms");
        var doctor = await Shell.RunAsync(Repository.Agent, "doctor", "--btf", file.Path);

        Assert.Equal("", trace.Errors);
        Assert.Equal(0, trace.ExitCode);
        Assert.Contains($"! BTF             from {file.Path}, though the kernel has its own", doctor.Output);
    }

    [Fact]
    public async Task With_a_file_alone_the_programs_that_need_the_kernels_own_types_are_named()
    {
        Requires.Bpf();
        var unshare = Requires.Program("unshare", "util-linux");
        using var file = new TemporaryFile(File.ReadAllBytes("/sys/kernel/btf/vmlinux"));

        // tracefs, which not every machine mounts, is where programs by number are attached.
        var doctor = await Shell.RunAsync(
            unshare, "-m", "sh", "-c",
            $"mount -t tmpfs none /sys/kernel/btf && mount -t tracefs none /sys/kernel/tracing && exec {Repository.Agent} doctor --json --btf {file.Path}");

        using var report = JsonDocument.Parse(doctor.Output);
        var hooks = report.RootElement.GetProperty("hooks").EnumerateArray().ToList();

        // Those by number, such as sock/inet_sock_set_state, need no types of the kernel's own.
        Assert.All(hooks.Where(hook => hook.GetProperty("backend").GetString() == "tracepoint" && !hook.GetProperty("hook").GetString()!.Contains('/')), hook =>
            Assert.Equal("the kernel itself has to carry its type information for such programs; a file does not do", hook.GetProperty("reason").GetString()));
        Assert.Contains(hooks, hook => hook.GetProperty("backend").GetString() == "cgroup");
        Assert.All(hooks.Where(hook => hook.GetProperty("backend").GetString() == "cgroup"), hook => Assert.True(hook.GetProperty("works").GetBoolean()));
    }

    [Fact]
    public async Task A_file_that_is_no_btf_is_one_line()
    {
        Requires.Bpf();
        using var garbage = new TemporaryFile(Enumerable.Range(0, 5000).Select(i => (byte)(i * 7)).ToArray());
        using var cut = new TemporaryFile(File.ReadAllBytes("/sys/kernel/btf/vmlinux")[..5000]);
        using var empty = new TemporaryFile([]);

        foreach (var (path, reason) in new[]
        {
            (garbage.Path, "is no BTF; expected "), (cut.Path, "is no BTF; expected "), (empty.Path, "is no BTF; expected "),
            ("/nowhere/kernel.btf", "cannot be read: "), ("/tmp", "cannot be read: "),
        })
        {
            foreach (var command in (string[])["run", "trace", "top", "doctor"])
            {
                var ended = await Shell.RunAsync(Repository.Agent, command, "--btf", path);

                Assert.Equal(2, ended.ExitCode);
                Assert.Equal("", ended.Output);
                Assert.StartsWith($"sockwatch: kernel.btf {path} {reason}", ended.Errors);
                Assert.Single(ended.Errors.Trim().Split('\n'));
            }
        }
    }

    /// <summary>By what the kernel tells of each map that this process has open; fdinfo has no names.</summary>
    private static Dictionary<(int Type, int Key, int Value, long Entries), long> MemoryOfMaps()
    {
        var maps = new Dictionary<(int, int, int, long), long>();
        foreach (var info in Directory.EnumerateFiles("/proc/self/fdinfo"))
        {
            string[] lines;
            try
            {
                lines = File.ReadAllLines(info);
            }
            catch (IOException)
            {
                continue; // The one that lists them.
            }

            var pairs = lines.Select(line => line.Split(':', 2)).Where(pair => pair.Length == 2).GroupBy(pair => pair[0]).ToDictionary(pair => pair.Key, pair => pair.First()[1].Trim());
            if (pairs.TryGetValue("map_type", out var type) && pairs.TryGetValue("memlock", out var memory))
            {
                maps[(Number(type), Number(pairs["key_size"]), Number(pairs["value_size"]), Number(pairs["max_entries"]))] = long.Parse(memory, CultureInfo.InvariantCulture);
            }
        }

        return maps;

        static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
    }

    private sealed class TemporaryFile : IDisposable
    {
        public TemporaryFile(byte[] content) => File.WriteAllBytes(Path, content);

        public string Path { get; } = System.IO.Path.GetTempFileName();

        public void Dispose() => File.Delete(Path);
    }
}
