using System.Diagnostics.CodeAnalysis;
using Sockwatch.Kernel;

namespace Sockwatch.Verdicts;

/// <summary>A line that was left out, and why.</summary>
internal readonly record struct BrokenLine(long Number, string Reason);

/// <summary>What reading a file found.</summary>
/// <param name="Problem">Why the file as a whole is not to be used; null when it is.</param>
/// <param name="FirstBroken">Some of the lines that were left out, the first ones.</param>
/// <param name="LeftOut">Lines that had entries beyond the limit.</param>
internal sealed record VerdictFileContent(
    VerdictEntries Entries, string? Problem, IReadOnlyList<BrokenLine> FirstBroken, long Broken, long LeftOut);

/// <summary>Reads a file of entries, line by line, whatever is in it.</summary>
internal static class VerdictFile
{
    /// <summary>What a million lines of the longest kind take, and more than any list has: the rest is not read.</summary>
    public const long MaxBytes = 1L << 30;

    private const int ReportedLines = 10;
    private const int BufferLength = 256 * 1024;

    /// <param name="room">Entries there is room for.</param>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever keeps a file from being read, the list in force stays.")]
    public static VerdictFileContent Read(string path, Detections detections, int room)
    {
        try
        {
            if (!IsRegular(path))
            {
                return Unusable("is no regular file");
            }

            using var file = File.OpenHandle(path, options: FileOptions.SequentialScan);
            return Read(file, detections, room);
        }
        catch (Exception failure)
        {
            return Unusable(failure is FileNotFoundException or DirectoryNotFoundException
                ? "is not there"
                : $"cannot be read: {Diagnostics.PrintableText.Of(failure)}");
        }
    }

    private static VerdictFileContent Read(Microsoft.Win32.SafeHandles.SafeFileHandle file, Detections detections, int room)
    {
        var reading = new Reading(detections, room);
        var buffer = new byte[BufferLength];
        var (kept, offset, isWithinLong) = (0, 0L, false);
        while (RandomAccess.Read(file, buffer.AsSpan(kept), offset) is > 0 and var read)
        {
            offset += read;
            if (offset > MaxBytes)
            {
                return Unusable($"is longer than {MaxBytes >> 30} GiB");
            }

            var text = buffer.AsSpan(0, kept + read);
            while (text.IndexOf((byte)'\n') is >= 0 and var end)
            {
                reading.Add(text[..end], isWithinLong);
                isWithinLong = false;
                text = text[(end + 1)..];
            }

            // A line without an end in sight need not be kept to be known as broken.
            if (text.Length > VerdictLine.MaxLength)
            {
                isWithinLong = true;
                text = [];
            }

            text.CopyTo(buffer);
            kept = text.Length;
        }

        if (kept > 0 || isWithinLong)
        {
            reading.Add(buffer.AsSpan(0, kept), isWithinLong);
        }

        return reading.Complete();
    }

    // Opening a pipe would wait for somebody to write to it.
    private static bool IsRegular(string path) => FileKinds.IsRegular(path);

    private static VerdictFileContent Unusable(string problem) => new(new VerdictEntries(), problem, [], 0, 0);

    private sealed class Reading(Detections detections, int room)
    {
        private readonly VerdictEntries _entries = new();
        private readonly List<BrokenLine> _first = [];
        private long _lines;
        private long _broken;
        private long _leftOut;

        public void Add(ReadOnlySpan<byte> line, bool isTooLong)
        {
            _lines++;
            if (isTooLong || line.Length > VerdictLine.MaxLength)
            {
                Break($"longer than {VerdictLine.MaxLength} bytes");
                return;
            }

            // Editors of other systems begin a file so.
            line = _lines == 1 && line.StartsWith("\uFEFF"u8) ? line[3..] : line;
            if (!VerdictLine.TryParse(line, out var entry, out var error))
            {
                if (error is not null)
                {
                    Break(error);
                }

                return;
            }

            if (_entries.Count >= room)
            {
                _leftOut++;
                return;
            }

            _entries.Add(entry.Address, entry.Length, entry.IsIPv4, entry.IsDetect ? detections.NumberOf(entry.Classification, entry.Name) : (ushort)0);
        }

        public VerdictFileContent Complete()
        {
            _entries.TrimExcess();
            var problem = _lines == 0
                ? "is empty; a comment in it says that this is meant"
                : _entries.Count == 0 && _broken > 0 ? $"has no line that can be used; the first is line {_first[0].Number}: {_first[0].Reason}" : null;
            return new VerdictFileContent(_entries, problem, _first, _broken, _leftOut);
        }

        private void Break(string reason)
        {
            _broken++;
            if (_first.Count < ReportedLines)
            {
                _first.Add(new BrokenLine(_lines, reason));
            }
        }
    }
}
