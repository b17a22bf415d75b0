using System.Runtime.InteropServices;

namespace Sockwatch.Bpf;

/// <summary>The kernel or libbpf refused: which call, with which errno, and what libbpf printed meanwhile.</summary>
public sealed class BpfException : Exception
{
    /// <summary>The call as libbpf or libc names it, with what it was about; empty when the library itself is missing.</summary>
    public string Call { get; } = "";

    /// <summary>A positive errno, or 0.</summary>
    public int Errno { get; }

    /// <summary>libbpf's warnings during the call, the verifier's log among them. Many lines, or empty.</summary>
    public string Log { get; } = "";

    public BpfException()
    {
    }

    public BpfException(string message)
        : base(message)
    {
    }

    public BpfException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public BpfException(string call, int errno, string log = "")
        : base($"{call}: {Describe(errno)} (errno {errno})")
    {
        Call = call;
        Errno = errno;
        Log = log;
    }

    /// <summary>Passes a count or 0 through, and turns libbpf's negated errno into an exception.</summary>
    internal static int ThrowIfNegative(int result, string call) =>
        result >= 0 ? result : throw new BpfException(call, -result);

    // The kernel's own ENOTSUPP never got a text in libc.
    private static string Describe(int errno) => errno == LibC.ENOTSUPP
        ? "Not supported by this kernel"
        : Marshal.GetPInvokeErrorMessage(errno);
}
