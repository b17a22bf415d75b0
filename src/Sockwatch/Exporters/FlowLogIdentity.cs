using System.Text;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>
/// Gives each flow an id of 32 hex digits, fit for a trace id: the first half tells the node and its boot, the second
/// the flow. Every record of a flow yields the same one, without anything being remembered.
/// </summary>
internal sealed class FlowLogIdentity
{
    public const int Length = 32;

    private readonly ulong _node;

    public FlowLogIdentity(HostPaths paths)
    {
        var node = ReadOrEmpty(paths.Proc("sys/kernel/random/boot_id")) + "\n" + ReadOrEmpty(paths.Etc("machine-id"));
        _node = Fnv1a.Hash(Encoding.UTF8.GetBytes(node));
    }

    public void Format(in FlowRecord record, Span<byte> text)
    {
        _node.TryFormat(text, out _, "x16");
        Flow(in record).TryFormat(text[16..], out _, "x16");
    }

    /// <summary>Tells flows of this boot apart.</summary>
    public static ulong Flow(in FlowRecord record) => FlowNumber.Of(in record);

    private static string ReadOrEmpty(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
