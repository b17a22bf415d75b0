namespace Sockwatch.Diagnostics;

/// <summary>
/// The 64-bit FNV-1a hash, to tell things apart and not to keep secrets. The runtime's own digests would need OpenSSL on the machine, and end
/// the process where it is missing.
/// </summary>
internal static class Fnv1a
{
    private const ulong Basis = 0xcbf29ce484222325;
    private const ulong Prime = 0x100000001b3;

    public static ulong Hash(ReadOnlySpan<byte> data)
    {
        var hash = Basis;
        foreach (var one in data)
        {
            hash = (hash ^ one) * Prime;
        }

        return hash;
    }
}
