using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sockwatch.Kernel;

/// <summary>What the kernel's connection tracking is asked.</summary>
internal interface IConntrack
{
    /// <summary>
    /// Who answers a conversation: another than it was begun with, where addresses are translated on the way. Null when nothing is known
    /// of it. Answers at once.
    /// </summary>
    /// <param name="error">errno, where the kernel cannot be asked; else 0.</param>
    Endpoint? Find(in Conversation conversation, out int error);
}

/// <summary>
/// Asks over netlink, in the network namespace that this process is in. A question takes CAP_NET_ADMIN. The kernel answers within the call
/// that asks, so that nobody waits. Any thread may call it.
/// </summary>
internal sealed class Conntrack : IConntrack, IDisposable
{
    private const int MaxAnswer = 4096;
    private const int Netlink = 16;
    private const int Raw = 3;
    private const int Netfilter = 12;
    private const int CloseOnExec = 0x80000;
    private const int DontWait = 0x40;

    // Answers to questions that were given up before.
    private const int MaxStale = 16;

    private readonly Lock _lock = new();
    private readonly byte[] _question = new byte[ConntrackMessage.MaxQuestion];
    private readonly byte[] _answer = new byte[MaxAnswer];
    private SafeFileHandle? _socket;
    private uint _sequence;

    public Endpoint? Find(in Conversation conversation, out int error)
    {
        lock (_lock)
        {
            if (!IsOpen(out error))
            {
                return null;
            }

            var length = ConntrackMessage.Write(conversation, ++_sequence, _question);
            if (LibC.send(_socket!, _question[0], length, DontWait) != length)
            {
                error = Marshal.GetLastPInvokeError();
                return null;
            }

            for (var i = 0; i < MaxStale; i++)
            {
                var received = LibC.recv(_socket!, ref _answer[0], MaxAnswer, DontWait);
                if (received <= 0)
                {
                    error = received == 0 ? LibC.Epipe : Marshal.GetLastPInvokeError();
                    return null;
                }

                if (ConntrackMessage.TryRead(_answer.AsSpan(0, (int)received), _sequence, out error, out var replier))
                {
                    error = error == LibC.Enoent ? 0 : error;
                    return replier;
                }
            }

            error = LibC.Eagain;
            return null;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _socket?.Dispose();
        }
    }

    private bool IsOpen(out int error)
    {
        error = 0;
        if (_socket is not null)
        {
            return true;
        }

        var descriptor = LibC.socket(Netlink, Raw | CloseOnExec, Netfilter);
        if (descriptor < 0)
        {
            error = Marshal.GetLastPInvokeError();
            return false;
        }

        _socket = new SafeFileHandle(descriptor, ownsHandle: true);
        return true;
    }
}
