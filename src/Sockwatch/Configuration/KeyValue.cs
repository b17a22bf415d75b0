namespace Sockwatch.Configuration;

/// <summary>NAME=VALUE as OpenTelemetry's variables write it: the value percent-encoded.</summary>
internal static class KeyValue
{
    public static (string Key, string Value) Parse(string text)
    {
        var equals = text.IndexOf('=');
        return (text[..equals].Trim(), Uri.UnescapeDataString(text[(equals + 1)..].Trim()));
    }

    public static bool IsValid(string text) => text.IndexOf('=') > 0 && !text.AsSpan().ContainsAny('\r', '\n', ',');
}
