namespace Sockwatch.Payload;

/// <summary>Bytes as people read them: what is printable, and a dot for each byte that is not.</summary>
internal static class PayloadText
{
    public static string Of(ReadOnlySpan<byte> bytes) => string.Create(bytes.Length, bytes, (text, from) =>
    {
        for (var i = 0; i < from.Length; i++)
        {
            text[i] = from[i] is >= 0x20 and < 0x7f ? (char)from[i] : '.';
        }
    });
}
