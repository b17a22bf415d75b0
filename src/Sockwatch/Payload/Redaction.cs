using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace Sockwatch.Payload;

/// <summary>
/// Overwrites with asterisks what the patterns match, byte for byte, so that every other byte keeps its place. Takes time
/// in proportion to the text whatever the pattern: no pattern and no text can stall the reader.
/// </summary>
internal sealed class Redaction(IEnumerable<string> patterns)
{
    /// <summary>Bytes before the ones to write that are looked at too, so that a match may have begun there.</summary>
    public const int Context = 4096;

    public const byte Mask = (byte)'*';

    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;

    private readonly Regex[] _patterns = [.. patterns.Select(pattern => new Regex(pattern, Options))];

    public bool IsNeeded => _patterns.Length > 0;

    /// <summary>Why a pattern cannot be used; null when it can.</summary>
    public static string? WhyNot(string pattern)
    {
        if (pattern.Length == 0 || !Ascii.IsValid(pattern))
        {
            return "not ASCII, or empty";
        }

        try
        {
            _ = new Regex(pattern, Options);
            return null;
        }
        catch (Exception failure) when (failure is ArgumentException or NotSupportedException)
        {
            return failure.Message;
        }
    }

    public void Apply(Span<byte> bytes)
    {
        if (_patterns.Length == 0)
        {
            return;
        }

        // One character a byte, so that a place in the text is a place in the bytes.
        var text = ArrayPool<char>.Shared.Rent(bytes.Length);
        try
        {
            Encoding.Latin1.GetChars(bytes, text);
            foreach (var pattern in _patterns)
            {
                foreach (var match in pattern.EnumerateMatches(text.AsSpan(0, bytes.Length)))
                {
                    bytes.Slice(match.Index, match.Length).Fill(Mask);
                }
            }
        }
        finally
        {
            ArrayPool<char>.Shared.Return(text);
        }
    }
}
