using Microsoft.Extensions.Logging.Abstractions;
using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.KernelTests.Agents;

/// <summary>What a test needs of the machine. What is missing skips the test and is named, never passed over.</summary>
internal static class Requires
{
    private static readonly Lazy<string?> s_whyNoBpf = new(FindWhyNoBpf);

    /// <summary>This kernel lets us load the programs.</summary>
    public static void Bpf() => Assert.SkipWhen(s_whyNoBpf.Value is not null, s_whyNoBpf.Value ?? "");

    /// <summary>A program of a Debian package.</summary>
    public static string Program(string name, string package)
    {
        var path = new[] { "/usr/bin", "/usr/sbin", "/bin", "/sbin" }.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, $"{name} is not installed (Debian package {package})");
        return path!;
    }

    /// <summary>Where the hierarchy of version 2 is mounted.</summary>
    public static string Cgroup2()
    {
        var mount = File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')).FirstOrDefault(mount => mount[2] == "cgroup2");
        Assert.SkipWhen(mount is null, "there is no cgroup2 hierarchy");
        return mount![1];
    }

    private static string? FindWhyNoBpf()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return "not root: loading BPF programs is not permitted";
        }

        if (!BpfHost.BtfAvailable)
        {
            return "this kernel carries no type information (/sys/kernel/btf/vmlinux)";
        }

        Environment.SetEnvironmentVariable("SOCKWATCH_BPF_DIR", Path.Combine(Repository.Root, "artifacts/bpf"));
        var host = HostFacts.Read(new HostPaths());
        try
        {
            var loader = new ProgramLoader(
                new KernelOptions(), new FilterOptions(), WantedRecords.All, canTrace: false, NullLogger.Instance);
            return loader.Probe().Choices.FirstOrDefault(choice => choice.Group.IsRequired && choice.Way is null) is { } blind
                ? $"this kernel refuses {blind.Group.Name}: {blind.Refused[0].Reason.Reason}"
                : null;
        }
        catch (BpfException failure)
        {
            return $"this kernel refuses BPF: {Refusal.Of(failure, host).Reason}";
        }
    }
}
