using System.Text;

namespace Sockwatch.Kernel;

/// <summary>What kind of thing a path leads to, which .NET does not tell.</summary>
internal static class FileKinds
{
    private const int AtFdcwd = -100;
    private const uint StatxType = 1;
    private const int TypeMask = 0xF000;
    private const int TypeRegular = 0x8000;

    /// <summary>Symbolic links are followed.</summary>
    /// <exception cref="FileNotFoundException">Nothing is there, or nothing that may be looked at.</exception>
    public static bool IsRegular(string path) =>
        LibC.statx(AtFdcwd, Encoding.UTF8.GetBytes(path + '\0')[0], 0, StatxType, out var status) == 0
            ? (status.Mode & TypeMask) == TypeRegular
            : throw new FileNotFoundException($"{path} is not there");
}
