using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Sockwatch.Bpf;

/// <summary>The instructions in the image of a .bpf.o file: 64-bit ELF, little endian.</summary>
internal static class ProgramImage
{
    private const int SectionHeaderSize = 64;
    private const uint ProgramBits = 1;
    private const ulong Executable = 4;

    private const byte LoadConstant64 = 0x18; // BPF_LD | BPF_IMM | BPF_DW: two instructions long
    private const byte Atomic32 = 0xc3;       // BPF_STX | BPF_ATOMIC | BPF_W
    private const byte Atomic64 = 0xdb;       // BPF_STX | BPF_ATOMIC | BPF_DW
    private const byte Jump = 0x05;           // BPF_JMP | BPF_JA; by 0, it does nothing

    /// <summary>Makes every atomic operation with a result do nothing. Plain additions stay.</summary>
    /// <returns>How many there were.</returns>
    public static int BlankFetchingAtomics(Span<byte> image)
    {
        var blanked = 0;
        var headers = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(image[0x28..]));
        var count = BinaryPrimitives.ReadUInt16LittleEndian(image[0x3c..]);
        for (var section = 0; section < count; section++)
        {
            var header = image.Slice(headers + (section * SectionHeaderSize), SectionHeaderSize);
            if (BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) == ProgramBits
                && (BinaryPrimitives.ReadUInt64LittleEndian(header[8..]) & Executable) != 0)
            {
                var offset = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(header[0x18..]));
                var size = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(header[0x20..]));
                blanked += Blank(MemoryMarshal.Cast<byte, Instruction>(image.Slice(offset, size)));
            }
        }

        return blanked;
    }

    private static int Blank(Span<Instruction> instructions)
    {
        var blanked = 0;
        for (var i = 0; i < instructions.Length; i++)
        {
            if (instructions[i].Code == LoadConstant64)
            {
                i++;
            }
            else if (instructions[i].Code is Atomic32 or Atomic64 && instructions[i].Immediate != 0)
            {
                instructions[i] = new Instruction { Code = Jump };
                blanked++;
            }
        }

        return blanked;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Instruction
    {
        public byte Code;
        public byte Registers;
        public short Offset;
        public int Immediate;
    }
}
