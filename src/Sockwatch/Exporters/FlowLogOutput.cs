using System.Runtime.InteropServices;
using System.Text;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>Where lines go. Blocks as the target blocks; only a writer's own thread may call it.</summary>
internal interface IFlowLogOutput : IDisposable
{
    /// <summary>What the target is called in messages.</summary>
    string Name { get; }

    /// <summary>How much of the data was written; <paramref name="errno"/> is not 0 when that is not all.</summary>
    int Write(ReadOnlySpan<byte> data, out int errno);

    /// <summary>A moment to do what was asked for, when there is nothing to write.</summary>
    void Refresh()
    {
    }
}

/// <summary>
/// A file descriptor written with write(2). A FileStream would keep an offset of its own, and overwrite what others
/// append to the same file; Console hides that a pipe is broken.
/// </summary>
internal sealed class FlowLogOutput : IFlowLogOutput
{
    private const int StandardOutputDescriptor = 1;
    private static readonly TimeSpan FullPipePause = TimeSpan.FromMilliseconds(10);

    private readonly int _descriptor;
    private readonly bool _owned;
    private bool _closed;

    private FlowLogOutput(string name, int descriptor, bool owned)
    {
        Name = name;
        _descriptor = descriptor;
        _owned = owned;
    }

    public string Name { get; }

    public static FlowLogOutput StandardOutput() => new("standard output", StandardOutputDescriptor, owned: false);

    /// <summary>Appends, so that copy-and-truncate rotation works.</summary>
    public static FlowLogOutput File(string path)
    {
        var bytes = Encoding.UTF8.GetBytes(path + "\0");
        const int Flags = LibC.OpenWriteOnly | LibC.OpenCreate | LibC.OpenAppend | LibC.OpenCloseOnExec;
        const uint OwnerWritesGroupReads = 0b110_100_000;
        var descriptor = LibC.open(in bytes[0], Flags, OwnerWritesGroupReads);
        if (descriptor < 0)
        {
            throw new IOException($"cannot open the flow log {path}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        return new FlowLogOutput(path, descriptor, owned: true);
    }

    public int Write(ReadOnlySpan<byte> data, out int errno)
    {
        errno = 0;
        var written = 0;
        while (written < data.Length)
        {
            var result = LibC.write(_descriptor, in data[written], data.Length - written);
            if (result >= 0)
            {
                written += (int)result;
                continue;
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case LibC.Eintr:
                    break;
                case LibC.Eagain: // Someone we share standard output with has made it non-blocking.
                    Thread.Sleep(FullPipePause);
                    break;
                case var error:
                    errno = error;
                    return TryTakeBack(data[..written]);
            }
        }

        return written;
    }

    /// <summary>
    /// Cuts a line that was begun and could not be ended off a file, unless somebody else has written after it. On a pipe it
    /// stays.
    /// </summary>
    /// <returns>How much of the data is written then.</returns>
    private int TryTakeBack(ReadOnlySpan<byte> written)
    {
        var whole = written.LastIndexOf((byte)'\n') + 1;
        if (whole == written.Length)
        {
            return whole;
        }

        var end = LibC.lseek(_descriptor, 0, LibC.SeekCurrent);
        var isOurs = end >= written.Length && LibC.lseek(_descriptor, 0, LibC.SeekEnd) == end;
        return isOurs && LibC.ftruncate(_descriptor, end - (written.Length - whole)) == 0 ? whole : written.Length;
    }

    public void Dispose()
    {
        if (_owned && !_closed)
        {
            _closed = true;
            _ = LibC.close(_descriptor);
        }
    }
}
