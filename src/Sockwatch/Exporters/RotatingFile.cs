using System.Globalization;

namespace Sockwatch.Exporters;

/// <summary>
/// A file that is renamed when it has grown, FILE to FILE.1, FILE.1 to FILE.2, and opened anew when somebody else renamed it
/// and says so. A line is never split over two files. Not thread-safe but for <see cref="Reopen"/>.
/// </summary>
internal sealed class RotatingFile : IFlowLogOutput
{
    private readonly string _path;
    private readonly long _maxBytes;
    private readonly int _maxFiles;
    private FlowLogOutput _file;
    private long _length;
    private int _reopenAsked;
    private bool _isStuck;
    private bool _reopenFails;

    /// <param name="maxBytes">0 is without limit.</param>
    public RotatingFile(string path, long maxBytes, int maxFiles)
    {
        _path = path;
        _maxBytes = path.StartsWith("/dev/", StringComparison.Ordinal) ? 0 : maxBytes; // Renaming a device would take it from everyone.
        _maxFiles = maxFiles;
        _file = FlowLogOutput.File(path);
        _length = LengthOf(path);
    }

    public string Name => _path;

    /// <summary>Before the next write. Any thread may call it.</summary>
    public void Reopen() => Volatile.Write(ref _reopenAsked, 1);

    /// <summary>Called on the writer's thread when the file cannot be opened anew (why), and when it could at last (null).</summary>
    public Action<string?>? ReopenFailing { get; set; }

    public int Write(ReadOnlySpan<byte> data, out int errno)
    {
        errno = 0;
        Refresh();
        var written = 0;
        while (written < data.Length && errno == 0)
        {
            var rest = data[written..];
            var piece = _maxBytes == 0 || _isStuck ? rest.Length : LinesThatFit(rest);
            if (piece == 0)
            {
                Rotate();
                continue;
            }

            var count = _file.Write(rest[..piece], out errno);
            written += count;
            _length += count;
        }

        _isStuck = false;
        return written;
    }

    /// <summary>Opens the file anew if that was asked for. What fails stays asked for: the next write tries again.</summary>
    public void Refresh()
    {
        if (Interlocked.Exchange(ref _reopenAsked, 0) == 1)
        {
            TryOpen();
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Whole lines that the file has room for; one at least when the file is empty.</summary>
    private int LinesThatFit(ReadOnlySpan<byte> lines)
    {
        var room = _maxBytes - _length;
        if (lines.Length <= room)
        {
            return lines.Length;
        }

        var fitting = room > 0 ? lines[..(int)room].LastIndexOf((byte)'\n') + 1 : 0;
        if (fitting > 0 || _length > 0)
        {
            return fitting;
        }

        var first = lines.IndexOf((byte)'\n');
        return first < 0 ? lines.Length : first + 1;
    }

    private void Rotate()
    {
        try
        {
            for (var number = _maxFiles - 1; number >= 1; number--)
            {
                if (File.Exists(Numbered(number)))
                {
                    File.Move(Numbered(number), Numbered(number + 1), overwrite: true);
                }
            }

            File.Move(_path, Numbered(1), overwrite: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Someone took the file away, or the directory cannot be written: too large a file is better than lost lines.
            _isStuck = File.Exists(_path);
        }

        if (!_isStuck)
        {
            TryOpen();
        }
    }

    private void TryOpen()
    {
        try
        {
            var opened = FlowLogOutput.File(_path);
            _file.Dispose();
            _file = opened;
            _length = LengthOf(_path);
            _isStuck = false;
            if (_reopenFails)
            {
                _reopenFails = false;
                ReopenFailing?.Invoke(null);
            }
        }
        catch (IOException failure)
        {
            // The old one is still there to write to, whatever its name is now.
            _isStuck = true;
            Reopen();
            if (!_reopenFails)
            {
                _reopenFails = true;
                ReopenFailing?.Invoke(failure.Message);
            }
        }
    }

    private string Numbered(int number) => string.Create(CultureInfo.InvariantCulture, $"{_path}.{number}");

    private static long LengthOf(string path)
    {
        var file = new FileInfo(path);
        return file.Exists && (file.Attributes & (FileAttributes.Device | FileAttributes.Directory)) == 0 ? file.Length : 0;
    }
}
