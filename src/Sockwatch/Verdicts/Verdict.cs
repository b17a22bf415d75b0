namespace Sockwatch.Verdicts;

/// <summary>
/// What the lists say of an address, in the word that the kernel has for it (bpf/verdict_structs.h): the number of a detection, 0 for
/// allow, and the length of the prefix that says so. All zero says nothing.
/// </summary>
internal readonly record struct Verdict(uint Word)
{
    private const int LengthShift = 16;
    private const uint Said = 1u << 31;

    /// <param name="detection">Of <see cref="Detections"/>; 0 to allow.</param>
    /// <param name="length">Of the prefix, of 128 bits.</param>
    public static Verdict Of(ushort detection, int length) => new(Said | ((uint)length << LengthShift) | detection);

    public bool IsSaid => (Word & Said) != 0;

    public ushort Detection => (ushort)Word;

    public int Length => (int)(Word >> LengthShift & 0xff);
}

/// <summary>A number and a name of an operator's choice, for one kind of detection.</summary>
internal readonly record struct Detection(uint Classification, string Name);
