using System.Buffers;
using System.Net;
using System.Text.Json;

namespace Sockwatch.Enrichment.Kubernetes.Api;

internal delegate void JsonItem(ReadOnlySpan<byte> item);

/// <summary>
/// Takes an answer apart as it arrives, one object at a time, so that a list of a hundred thousand costs no more memory than its
/// biggest object.
/// </summary>
internal abstract class JsonItems
{
    // etcd keeps 1.5 MB at most of an object, by default; as text it is longer.
    private const int MaxItemLength = 16 * 1024 * 1024;
    private const int FirstLength = 32 * 1024;

    /// <param name="silence">How long nothing may arrive.</param>
    public async Task ReadAsync(Stream body, TimeSpan silence, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var buffer = ArrayPool<byte>.Shared.Rent(FirstLength);
        var filled = 0;
        try
        {
            while (true)
            {
                patience.CancelAfter(silence);
                var read = await body.ReadAsync(buffer.AsMemory(filled), patience.Token).ConfigureAwait(false);
                if (read == 0)
                {
                    End(filled);
                    return;
                }

                filled += read;
                var taken = Take(buffer.AsSpan(0, filled));
                buffer.AsSpan(taken, filled - taken).CopyTo(buffer);
                filled -= taken;
                if (filled == buffer.Length)
                {
                    buffer = Grown(buffer);
                }
            }
        }
        catch (OperationCanceledException failure) when (!cancellation.IsCancellationRequested)
        {
            throw new ApiException($"nothing arrived for {silence.TotalSeconds:0} s", HttpStatusCode.RequestTimeout, inner: failure);
        }
        catch (JsonException failure)
        {
            throw new ApiException("the answer is no JSON", HttpStatusCode.OK, inner: failure);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Takes whole values off the beginning; gives back how many bytes it needs no more.</summary>
    protected abstract int Take(ReadOnlySpan<byte> data);

    /// <summary>Nothing comes any more.</summary>
    protected abstract void End(int left);

    private static byte[] Grown(byte[] buffer)
    {
        if (buffer.Length >= MaxItemLength)
        {
            throw new ApiException($"an object is longer than {MaxItemLength} bytes", HttpStatusCode.RequestEntityTooLarge);
        }

        var grown = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.CopyTo(grown, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        return grown;
    }
}

/// <summary>The items of a list.</summary>
internal sealed class ListItems(JsonItem onItem) : JsonItems
{
    private JsonReaderState _state;
    private Place _place;
    private bool _isMetadata;

    private enum Place
    {
        Object,
        Value,
        ItemsBegin,
        Items,
        After,
    }

    public ListMetadata Metadata { get; private set; } = new();

    protected override int Take(ReadOnlySpan<byte> data)
    {
        var reader = new Utf8JsonReader(data, isFinalBlock: false, _state);
        var taken = 0;
        while (_place != Place.After && TakeOne(ref reader, data))
        {
            taken = (int)reader.BytesConsumed;
            _state = reader.CurrentState;
        }

        return _place == Place.After ? data.Length : taken;
    }

    protected override void End(int left)
    {
        if (_place != Place.After)
        {
            throw new ApiException("the list was cut short", HttpStatusCode.OK);
        }
    }

    private bool TakeOne(ref Utf8JsonReader reader, ReadOnlySpan<byte> data)
    {
        if (!reader.Read())
        {
            return false;
        }

        switch (_place)
        {
            case Place.Object when reader.TokenType == JsonTokenType.PropertyName:
                _isMetadata = reader.ValueTextEquals("metadata"u8);
                _place = reader.ValueTextEquals("items"u8) ? Place.ItemsBegin : Place.Value;
                return true;
            case Place.Object:
                _place = reader.TokenType == JsonTokenType.EndObject ? Place.After : Place.Object;
                return true;
            case Place.ItemsBegin:
                _place = reader.TokenType == JsonTokenType.StartArray ? Place.Items : Place.Object;
                return true;
            case Place.Items when reader.TokenType == JsonTokenType.EndArray:
                _place = Place.Object;
                return true;
        }

        var start = (int)reader.TokenStartIndex;
        if (!reader.TrySkip())
        {
            return false;
        }

        var value = data[start..(int)reader.BytesConsumed];
        if (_place == Place.Items)
        {
            onItem(value);
            return true;
        }

        if (_isMetadata)
        {
            Metadata = JsonSerializer.Deserialize(value, ApiJson.Default.ListMetadata) ?? Metadata;
        }

        _place = Place.Object;
        return true;
    }
}

/// <summary>The events of a watch: one object after the other.</summary>
internal sealed class WatchItems(JsonItem onItem) : JsonItems
{
    protected override int Take(ReadOnlySpan<byte> data)
    {
        var taken = 0;
        while (true)
        {
            var rest = data[taken..].TrimStart(" \t\r\n"u8);
            var reader = new Utf8JsonReader(rest, isFinalBlock: false, default);
            if (!reader.Read() || !reader.TrySkip())
            {
                return data.Length - rest.Length;
            }

            onItem(rest[..(int)reader.BytesConsumed]);
            taken = data.Length - rest.Length + (int)reader.BytesConsumed;
        }
    }

    // Half an event is sent whole by the next watch.
    protected override void End(int left)
    {
    }
}
