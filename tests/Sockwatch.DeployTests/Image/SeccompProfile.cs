using System.Text.Json.Nodes;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Image;

/// <summary>Which system calls a container may make, as its runtime is told.</summary>
internal static class SeccompProfile
{
    private const string OfPodman = "/usr/share/containers/seccomp.json";
    private const string Allow = "SCMP_ACT_ALLOW";

    /// <summary>The default of Podman and CRI-O, for a container with these capabilities.</summary>
    public static async Task<JsonNode> OfPodmanAsync(IReadOnlyCollection<string> capabilities)
    {
        Assert.SkipWhen(!File.Exists(OfPodman), $"{OfPodman} is not there (Debian package golang-github-containers-common)");
        var profile = JsonNode.Parse(await File.ReadAllTextAsync(OfPodman))!;
        var rules = profile["syscalls"]!.AsArray().Where(rule =>
            Wanted(rule!["includes"], ifNone: true, capabilities) && !Wanted(rule["excludes"], ifNone: false, capabilities));
        return new JsonObject
        {
            ["defaultAction"] = profile["defaultAction"]!.DeepClone(),
            ["syscalls"] = new JsonArray([.. rules.Select(Rule)]),
        };
    }

    /// <summary>The same with what containerd adds for the holder of a capability.</summary>
    public static async Task<JsonNode> OfContainerdAsync(IReadOnlyCollection<string> capabilities)
    {
        var profile = await OfPodmanAsync(capabilities);
        var rules = profile["syscalls"]!.AsArray();
        foreach (var (capability, call) in new[] { ("BPF", "bpf"), ("PERFMON", "perf_event_open") })
        {
            if (capabilities.Contains(capability))
            {
                foreach (var rule in rules)
                {
                    var names = rule!["names"]!.AsArray();
                    names.Where(name => (string)name! == call).ToList().ForEach(name => names.Remove(name));
                }

                rules.Add(Rule(call));
            }
        }

        return profile;
    }

    /// <summary>The SystemCallFilter of the unit.</summary>
    public static async Task<JsonNode> OfUnitAsync(IEnumerable<string> filter)
    {
        var analyze = Requires.Program("systemd-analyze", "systemd");
        List<string> names = [];
        foreach (var item in filter)
        {
            names.AddRange(await CallsAsync(analyze, item));
        }

        return new JsonObject
        {
            ["defaultAction"] = "SCMP_ACT_ERRNO",
            ["syscalls"] = new JsonArray(Rule([.. names.Distinct()])),
        };
    }

    private static async Task<List<string>> CallsAsync(string analyze, string item)
    {
        if (!item.StartsWith('@'))
        {
            return [item];
        }

        List<string> calls = [];
        var set = await Shell.RunAsync(analyze, "syscall-filter", item);
        foreach (var line in set.Output.Split('\n').Skip(1).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#'))
        {
            calls.AddRange(await CallsAsync(analyze, line));
        }

        return calls;
    }

    private static JsonObject Rule(params string[] names) => new()
    {
        ["names"] = new JsonArray([.. names.Select(name => JsonValue.Create(name))]),
        ["action"] = Allow,
    };

    private static JsonNode Rule(JsonNode? rule)
    {
        var copy = rule!.DeepClone().AsObject();
        copy.Remove("includes");
        copy.Remove("excludes");
        copy.Remove("comment");
        copy.Remove("errno");
        return copy;
    }

    private static bool Wanted(JsonNode? condition, bool ifNone, IReadOnlyCollection<string> capabilities)
    {
        var caps = condition?["caps"]?.AsArray().Select(capability => ((string)capability!)["CAP_".Length..]).ToList();
        var architectures = condition?["arches"]?.AsArray().Select(architecture => (string)architecture!).ToList();
        return caps is null && architectures is null
            ? ifNone
            : (caps is null || caps.Any(capabilities.Contains)) && (architectures is null || architectures.Any(name => name is "amd64" or "x86_64" or "arm64"));
    }
}
