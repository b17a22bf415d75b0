using System.Buffers.Binary;
using System.Text;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>A data point, as a receiver finds it.</summary>
internal sealed record OtlpPoint(
    string Name, string Unit, string Kind, int Temporality, bool IsMonotonic, IReadOnlyDictionary<string, string> Attributes,
    ulong StartNs, ulong TimeNs, double Value, ulong Count, ulong[] Buckets, double[] Bounds)
{
    /// <summary>It has no value: the series is no more.</summary>
    public bool IsEnd { get; init; }

    /// <summary>The attributes in the order of their names, for comparing.</summary>
    public string Labels => string.Join(",", Attributes.Where(one => one.Value.Length > 0).OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => $"{one.Key}={one.Value}"));
}

internal sealed record OtlpLog(string EventName, ulong TimeNs, ulong ObservedNs, byte[] Body, int Severity, IReadOnlyDictionary<string, object> Attributes);

internal sealed record OtlpSpan(
    string Name, string TraceId, string SpanId, string ParentId, int Kind, ulong StartNs, ulong EndNs, int Status, string StatusMessage,
    IReadOnlyDictionary<string, object> Attributes);

/// <summary>
/// Reads OTLP requests by the field numbers of the specification (opentelemetry/proto/*/v1), and shares nothing with the
/// library that writes them.
/// </summary>
internal static class OtlpMessages
{
    private static readonly Dictionary<int, string> MetricKinds = new() { [5] = "gauge", [7] = "sum", [9] = "histogram" };

    public static IEnumerable<OtlpPoint> Points(byte[] request)
    {
        foreach (var metric in Nested(request, 1, 2, 2))
        {
            var (name, unit) = (Text(metric, 1), Text(metric, 3));
            foreach (var (number, kind) in MetricKinds)
            {
                foreach (var data in Messages(metric, number))
                {
                    var temporality = (int)Number(data, 2);
                    var isMonotonic = number == 7 && Number(data, 3) == 1;
                    foreach (var point in Messages(data, 1))
                    {
                        yield return number == 9
                            ? new OtlpPoint(
                                name, unit, kind, temporality, isMonotonic, Texts(Attributes(point, 9)), Number(point, 2), Number(point, 3),
                                Real(point, 5), Number(point, 4), Fixed(point, 6), [.. Fixed(point, 7).Select(BitConverter.UInt64BitsToDouble)]) { IsEnd = Number(point, 10) == 1 }
                            : new OtlpPoint(
                                name, unit, kind, temporality, isMonotonic, Texts(Attributes(point, 7)), Number(point, 2), Number(point, 3),
                                Has(point, 6) ? (long)Number(point, 6) : Real(point, 4), 0, [], []) { IsEnd = Number(point, 8) == 1 };
                    }
                }
            }
        }
    }

    public static IEnumerable<OtlpLog> Logs(byte[] request) => Nested(request, 1, 2, 2).Select(log => new OtlpLog(
        Text(log, 12), Number(log, 1), Number(log, 11), Bytes(log, 5).FirstOrDefault() ?? [], (int)Number(log, 2), Attributes(log, 6)));

    public static IEnumerable<OtlpSpan> Spans(byte[] request) => Nested(request, 1, 2, 2).Select(span =>
    {
        var status = Messages(span, 15).FirstOrDefault() ?? new Message([]);
        return new OtlpSpan(
            Text(span, 5), Hex(span, 1), Hex(span, 2), Hex(span, 4), (int)Number(span, 6), Number(span, 7), Number(span, 8),
            (int)Number(status, 3), Text(status, 2), Attributes(span, 9));
    });

    public static IReadOnlyDictionary<string, string> Resource(byte[] request) =>
        Texts(Attributes(Messages(Messages(new Message(request), 1).First(), 1).First(), 1));

    public static string Scope(byte[] request) => Text(Messages(Messages(Messages(new Message(request), 1).First(), 2).First(), 1).First(), 1);

    private static IEnumerable<Message> Nested(byte[] message, params int[] path) => path.Aggregate(
        (IEnumerable<Message>)[new Message(message)], (messages, number) => messages.SelectMany(one => Messages(one, number)));

    private static Dictionary<string, string> Texts(Dictionary<string, object> attributes) =>
        attributes.ToDictionary(one => one.Key, one => Convert.ToString(one.Value, System.Globalization.CultureInfo.InvariantCulture)!);

    private static Dictionary<string, object> Attributes(Message message, int number)
    {
        var attributes = new Dictionary<string, object>();
        foreach (var pair in Messages(message, number))
        {
            var value = Messages(pair, 2).First();
            attributes.Add(
                Text(pair, 1),
                Has(value, 3) ? (long)Number(value, 3) : Has(value, 4) ? Real(value, 4) : Has(value, 2) ? Number(value, 2) == 1 : Text(value, 1));
        }

        return attributes;
    }

    private static IEnumerable<byte[]> Bytes(Message message, int number) =>
        message.Fields.Where(field => field.Number == number && field.Bytes is not null).Select(field => field.Bytes!);

    private static IEnumerable<Message> Messages(Message message, int number) => Bytes(message, number).Select(bytes => new Message(bytes));

    private static bool Has(Message message, int number) => message.Fields.Any(field => field.Number == number);

    private static string Text(Message message, int number) => Encoding.UTF8.GetString(Bytes(message, number).FirstOrDefault() ?? []);

    private static string Hex(Message message, int number) => Convert.ToHexStringLower(Bytes(message, number).FirstOrDefault() ?? []);

    private static ulong Number(Message message, int number) => message.Fields.FirstOrDefault(field => field.Number == number).Value;

    private static double Real(Message message, int number) => BitConverter.UInt64BitsToDouble(Number(message, number));

    /// <summary>Repeated fixed64, packed or not.</summary>
    private static ulong[] Fixed(Message message, int number) =>
    [
        .. message.Fields.Where(field => field.Number == number).SelectMany(field => field.Bytes is { } packed
            ? packed.Chunk(8).Select(chunk => BinaryPrimitives.ReadUInt64LittleEndian(chunk))
            : [field.Value]),
    ];

    private static IEnumerable<Field> Parse(byte[] message)
    {
        var at = 0;
        while (at < message.Length)
        {
            var key = VarInt();
            switch (key & 7)
            {
                case 0:
                    yield return new Field((int)(key >> 3), VarInt(), null);
                    break;
                case 1:
                    yield return new Field((int)(key >> 3), BinaryPrimitives.ReadUInt64LittleEndian(message.AsSpan(at, 8)), null);
                    at += 8;
                    break;
                case 2:
                    var length = (int)VarInt();
                    yield return new Field((int)(key >> 3), 0, message[at..(at + length)]);
                    at += length;
                    break;
                case 5:
                    yield return new Field((int)(key >> 3), BinaryPrimitives.ReadUInt32LittleEndian(message.AsSpan(at, 4)), null);
                    at += 4;
                    break;
                default:
                    throw new InvalidDataException($"wire type {key & 7} at byte {at}");
            }
        }

        ulong VarInt()
        {
            var value = 0UL;
            for (var shift = 0; ; shift += 7)
            {
                var one = message[at++];
                value |= (ulong)(one & 0x7f) << shift;
                if (one < 0x80)
                {
                    return value;
                }
            }
        }
    }

    private readonly record struct Field(int Number, ulong Value, byte[]? Bytes);

    /// <summary>Parsed once, for many questions are asked of it.</summary>
    private sealed class Message(byte[] bytes)
    {
        public IReadOnlyList<Field> Fields { get; } = [.. Parse(bytes)];
    }
}
