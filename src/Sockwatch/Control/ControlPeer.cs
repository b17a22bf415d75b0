using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Sockwatch.Control;

/// <summary>Who is at the other end, by the kernel's word, not by the client's.</summary>
internal readonly record struct ControlPeer(int Pid, uint Uid)
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    public bool IsRoot => Uid == 0;

    /// <summary>As it was when it connected.</summary>
    public static ControlPeer Of(Socket socket)
    {
        Span<int> credentials = stackalloc int[3]; // struct ucred: pid, uid, gid
        socket.GetRawSocketOption(SolSocket, SoPeerCred, MemoryMarshal.AsBytes(credentials));
        return new ControlPeer(credentials[0], (uint)credentials[1]);
    }
}
