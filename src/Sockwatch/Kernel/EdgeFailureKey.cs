using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct edge_failure_key</c> in bpf/socket_events.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct EdgeFailureKey
{
    public EdgeKey Edge { get; init; }

    /// <summary>errno; see <see cref="ErrorType"/>.</summary>
    public ushort Error { get; init; }

    public SocketOperation Operation { get; init; }

    public Padding5 Padding { get; init; }

    public bool Equals(EdgeFailureKey other) =>
        Error == other.Error && Operation == other.Operation && Edge.Equals(other.Edge);

    public override int GetHashCode() => HashCode.Combine(Edge.GetHashCode(), Error, (byte)Operation);
}
