using System.Runtime.InteropServices;

namespace Sockwatch.Bpf;

/// <summary>Receives what an iterator program wrote, in pieces that need not end where a record ends.</summary>
public delegate void IteratorOutput(ReadOnlySpan<byte> bytes);

/// <summary>A program that visits every object of a kind each time it is run. For one thread at a time.</summary>
public sealed unsafe class BpfIterator : IDisposable
{
    private const int BufferSize = 32 * 1024;

    private readonly byte[] _buffer = new byte[BufferSize];
    private readonly BpfLink _link;
    private readonly string _name;

    internal BpfIterator(BpfLink link, string name)
    {
        _link = link;
        _name = name;
    }

    /// <summary>Returns once every object was visited. Without an output, what the program writes is dropped.</summary>
    public void Run(IteratorOutput? output = null)
    {
        using var pass = new FileDescriptor(
            BpfException.ThrowIfNegative(LibBpf.bpf_iter_create(_link.Fd), $"bpf_iter_create({_name})"));

        while (Read(pass) is var length and > 0)
        {
            output?.Invoke(_buffer.AsSpan(0, length));
        }
    }

    public void Dispose() => _link.Dispose();

    private int Read(FileDescriptor pass)
    {
        while (true)
        {
            nint length;
            fixed (byte* buffer = _buffer)
            {
                length = LibC.read(pass, buffer, BufferSize);
            }

            if (length >= 0)
            {
                return (int)length;
            }

            // The kernel pauses with EAGAIN after a million objects without output.
            var errno = Marshal.GetLastPInvokeError();
            if (errno is not (LibC.EINTR or LibC.EAGAIN))
            {
                throw new BpfException($"read({_name})", errno);
            }
        }
    }
}
