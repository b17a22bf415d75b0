using System.Text.Json;

namespace Sockwatch.Enrichment.Kubernetes.Api;

internal enum WatchEventKind
{
    Unknown,
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
}

/// <summary>One event of a watch; its object is not looked at yet.</summary>
internal readonly ref struct WatchEvent
{
    private WatchEvent(WatchEventKind kind, ReadOnlySpan<byte> @object)
    {
        Kind = kind;
        Object = @object;
    }

    public WatchEventKind Kind { get; }

    public ReadOnlySpan<byte> Object { get; }

    public static WatchEvent Parse(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        var kind = WatchEventKind.Unknown;
        ReadOnlySpan<byte> @object = default;
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1)
            {
                continue;
            }

            var isType = reader.ValueTextEquals("type"u8);
            var isObject = reader.ValueTextEquals("object"u8);
            reader.Read();
            if (isType && reader.TokenType == JsonTokenType.String)
            {
                kind = KindOf(ref reader);
            }

            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (isObject)
            {
                @object = json[start..(int)reader.BytesConsumed];
            }
        }

        return new WatchEvent(kind, @object);
    }

    private static WatchEventKind KindOf(ref Utf8JsonReader reader)
    {
        if (reader.ValueTextEquals("ADDED"u8))
        {
            return WatchEventKind.Added;
        }

        if (reader.ValueTextEquals("MODIFIED"u8))
        {
            return WatchEventKind.Modified;
        }

        if (reader.ValueTextEquals("DELETED"u8))
        {
            return WatchEventKind.Deleted;
        }

        return reader.ValueTextEquals("BOOKMARK"u8) ? WatchEventKind.Bookmark
            : reader.ValueTextEquals("ERROR"u8) ? WatchEventKind.Error
            : WatchEventKind.Unknown;
    }
}
