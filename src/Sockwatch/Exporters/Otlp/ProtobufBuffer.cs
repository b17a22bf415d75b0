using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// A protobuf message in the making. As much of the format as metrics take, which is four kinds of fields; a message inside
/// another is made in a buffer of its own, or its length is known beforehand. Keeps its memory when cleared.
/// </summary>
internal sealed class ProtobufBuffer
{
    /// <summary>Of a field whose number is below 16: the tag, and the value in fixed size.</summary>
    public const int FixedFieldLength = 1 + sizeof(ulong);

    private const int VarIntType = 0;
    private const int Fixed64Type = 1;
    private const int LengthType = 2;
    private const int LongestVarInt = 10;

    private byte[] _bytes = new byte[256];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Clear() => Length = 0;

    public void VarInt(int field, ulong value)
    {
        Tag(field, VarIntType);
        VarInt(value);
    }

    public void Fixed64(int field, ulong value)
    {
        Tag(field, Fixed64Type);
        Fixed64(value);
    }

    public void Double(int field, double value) => Fixed64(field, BitConverter.DoubleToUInt64Bits(value));

    /// <summary>Half a surrogate pair comes out as U+FFFD: the text of the format is always valid.</summary>
    public void Text(int field, string value)
    {
        var length = Encoding.UTF8.GetByteCount(value);
        Head(field, length);
        Length += Encoding.UTF8.GetBytes(value, Room(length));
    }

    public void Message(int field, ProtobufBuffer message)
    {
        Head(field, message.Length);
        Raw(message.Written.Span);
    }

    /// <summary>The tag and length of a message, packed numbers or text that the caller writes next.</summary>
    public void Head(int field, int length)
    {
        Tag(field, LengthType);
        VarInt((ulong)length);
    }

    public void Raw(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Room(bytes.Length));
        Length += bytes.Length;
    }

    /// <summary>Packed fixed64.</summary>
    public void Packed(int field, ReadOnlySpan<ulong> values)
    {
        Head(field, values.Length * sizeof(ulong));
        foreach (var value in values)
        {
            Fixed64(value);
        }
    }

    /// <summary>Packed doubles.</summary>
    public void Packed(int field, ReadOnlySpan<double> values) => Packed(field, MemoryMarshal.Cast<double, ulong>(values));

    /// <summary>How long a field is that has a length in front.</summary>
    public static int LengthOf(int length) => 1 + VarIntLength((ulong)length) + length;

    private static int VarIntLength(ulong value)
    {
        var length = 1;
        for (; value >= 0x80; value >>= 7)
        {
            length++;
        }

        return length;
    }

    private void Tag(int field, int type) => VarInt((ulong)((field << 3) | type));

    private void Fixed64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(Room(sizeof(ulong)), value);
        Length += sizeof(ulong);
    }

    private void VarInt(ulong value)
    {
        var room = Room(LongestVarInt);
        var length = 0;
        for (; value >= 0x80; value >>= 7)
        {
            room[length++] = (byte)(value | 0x80);
        }

        room[length++] = (byte)value;
        Length += length;
    }

    private Span<byte> Room(int length)
    {
        if (_bytes.Length - Length < length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + length));
        }

        return _bytes.AsSpan(Length);
    }
}
