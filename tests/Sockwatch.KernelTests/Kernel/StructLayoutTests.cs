using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Sockwatch.Kernel;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Kernel;

/// <summary>Each struct shared with the kernel, member by member: name, offset and size, against the C side's own type information.</summary>
public class StructLayoutTests
{
    private static readonly Lazy<IReadOnlyDictionary<string, IReadOnlyList<Member>>> s_structs = new(ReadStructs);

    [Theory]
    [InlineData(typeof(EdgeKey), "edge_key")]
    [InlineData(typeof(EdgeTotals), "edge_totals")]
    [InlineData(typeof(Latency), "latency")]
    [InlineData(typeof(EdgeTimings), "edge_timings")]
    [InlineData(typeof(EdgeFailureKey), "edge_failure_key")]
    [InlineData(typeof(EdgeFailures), "edge_failures")]
    [InlineData(typeof(ObservedBytes), "observed_bytes")]
    [InlineData(typeof(PathText), "path_text")]
    [InlineData(typeof(ProcessIdentity), "process_identity")]
    [InlineData(typeof(ProcessAncestors), "process_ancestors")]
    [InlineData(typeof(UdpFlowKey), "udp_flow_key")]
    [InlineData(typeof(UdpFlow), "udp_flow")]
    [InlineData(typeof(FlowRecord), "flow_record")]
    [InlineData(typeof(DnsMessage), "dns_message")]
    [InlineData(typeof(ListedRange4), "listed_range4")]
    [InlineData(typeof(ListedRange6), "listed_range6")]
    [InlineData(typeof(Listed), "listed")]
    [InlineData(typeof(EdgeDetectionKey), "edge_detection_key")]
    [InlineData(typeof(EdgeOwnerKey), "edge_owner_key")]
    [InlineData(typeof(EdgeOwner), "edge_owner")]
    [InlineData(typeof(ProcessLimit), "process_limit")]
    [InlineData(typeof(PayloadRecord), "payload_record")]
    [InlineData(typeof(PayloadOwner), "payload_owner")]
    public void A_mirror_has_the_layout_of_its_c_struct(Type mirror, string name)
    {
        var expected = s_structs.Value[name];

        Assert.Equal(expected, MembersOf(mirror));
    }

    [Fact]
    public void Bucket_bounds_are_those_of_the_kernel_side()
    {
        var header = File.ReadAllText(Path.Combine(Repository.Root, "bpf/latency.h"));

        Assert.Equal(BoundsIn(header, "latency_bounds"), LatencyBounds.Latency.ToArray());
        Assert.Equal(BoundsIn(header, "lifetime_bounds"), LatencyBounds.Lifetime.ToArray());
    }

    [Fact]
    public void Loss_reasons_are_those_of_the_kernel_side()
    {
        var header = File.ReadAllText(Path.Combine(Repository.Root, "bpf/socket_events.h"));
        foreach (var reason in Enum.GetValues<LossReason>())
        {
            Assert.Contains($"LOST_{reason.Name().ToUpperInvariant()} = {(int)reason},", header);
        }

        Assert.Contains($"LOSS_REASONS = {LossReasons.Count},", header);
    }

    private static ulong[] BoundsIn(string header, string name)
    {
        var start = header.IndexOf($"{name}[", StringComparison.Ordinal);
        var body = header[(header.IndexOf('{', start) + 1)..header.IndexOf('}', start)];
        return
        [
            .. body.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(bound =>
            {
                var parts = bound.Split('*', StringSplitOptions.TrimEntries);
                return ulong.Parse(parts[0]) * parts[1] switch { "MICROSECONDS" => 1_000UL, "MILLISECONDS" => 1_000_000UL, _ => 1_000_000_000UL };
            }),
        ];
    }

    private static List<Member> MembersOf(Type mirror)
    {
        var members = new List<Member>();
        var offset = 0;
        foreach (var field in mirror.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        {
            var (size, alignment) = Measure(field.FieldType);
            offset = (offset + alignment - 1) / alignment * alignment;
            var name = field.Name.Split('>')[0].TrimStart('<', '_');
            members.Add(new Member(SnakeCase(name), offset, size));
            offset += size;
        }

        // Sequential layout is what the runtime promises; the size is what it does.
        var whole = members.Max(member => Measure(mirror).Alignment);
        Assert.Equal((offset + whole - 1) / whole * whole, Measure(mirror).Size);
        return members;
    }

    private static (int Size, int Alignment) Measure(Type type)
    {
        var size = (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;
        if (type.IsPrimitive || type.IsEnum)
        {
            return (size, size);
        }

        var alignment = type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Max(field => Measure(field.FieldType).Alignment);
        return (size, alignment);
    }

    private static string SnakeCase(string name)
    {
        var text = new StringBuilder();
        foreach (var character in name)
        {
            if (char.IsUpper(character) && text.Length > 0)
            {
                text.Append('_');
            }

            text.Append(char.ToLowerInvariant(character));
        }

        return text.ToString();
    }

    /// <summary>The BTF section of shared_structs.bpf.o, as Documentation/bpf/btf.rst describes it.</summary>
    private static Dictionary<string, IReadOnlyList<Member>> ReadStructs()
    {
        var btf = btf__parse_elf(Path.Combine(Repository.Root, "artifacts/bpf/shared_structs.bpf.o"), 0);
        Assert.NotEqual(0, btf);
        var structs = new Dictionary<string, IReadOnlyList<Member>>();
        for (uint id = 1; id < btf__type_cnt(btf); id++)
        {
            var type = btf__type_by_id(btf, id);
            var info = (uint)Marshal.ReadInt32(type, 4);
            if ((info >> 24 & 0x1f) != 4) // BTF_KIND_STRUCT
            {
                continue;
            }

            var members = new List<Member>();
            for (var i = 0; i < (int)(info & 0xffff); i++)
            {
                var member = type + 12 + (12 * i);
                members.Add(new Member(
                    Name(btf, (uint)Marshal.ReadInt32(member)),
                    Marshal.ReadInt32(member, 8) / 8,
                    (int)btf__resolve_size(btf, (uint)Marshal.ReadInt32(member, 4))));
            }

            structs[Name(btf, (uint)Marshal.ReadInt32(type))] = members;
        }

        return structs;
    }

    private static string Name(nint btf, uint offset) => Marshal.PtrToStringUTF8(btf__name_by_offset(btf, offset))!;

    [DllImport("libbpf.so.1")]
    private static extern nint btf__parse_elf([MarshalAs(UnmanagedType.LPUTF8Str)] string path, nint extension);

    [DllImport("libbpf.so.1")]
    private static extern uint btf__type_cnt(nint btf);

    [DllImport("libbpf.so.1")]
    private static extern nint btf__type_by_id(nint btf, uint id);

    [DllImport("libbpf.so.1")]
    private static extern nint btf__name_by_offset(nint btf, uint offset);

    [DllImport("libbpf.so.1")]
    private static extern long btf__resolve_size(nint btf, uint id);

    private sealed record Member(string Name, int Offset, int Size);
}
