using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Sockwatch.Bpf;

/// <summary>libbpf's <c>enum libbpf_print_level</c>.</summary>
public enum BpfLogLevel
{
    Warning,
    Information,
    Debug,
}

/// <summary>
/// Takes libbpf's messages off standard error. They go to <see cref="Sink"/>, and the warnings of a failed load also
/// into its exception: libbpf prints on the thread that called it, so each thread captures its own.
/// </summary>
public static unsafe class BpfLog
{
    // A verifier log can have megabytes; the refusal is at its end.
    private const int LongestMessage = 64 * 1024;
    private const int UsualMessage = 512;

    [ThreadStatic]
    private static StringBuilder? t_captured;

    /// <summary>Called on whichever thread calls libbpf. Null drops the messages.</summary>
    public static Action<BpfLogLevel, string>? Sink { get; set; }

    internal static void Install() => LibBpf.libbpf_set_print(&OnMessage);

    internal static void BeginCapture() => t_captured = new StringBuilder();

    internal static string EndCapture()
    {
        var captured = t_captured?.ToString() ?? "";
        t_captured = null;
        return captured;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnMessage(int level, byte* format, nint arguments)
    {
        var capture = level == (int)BpfLogLevel.Warning ? t_captured : null;
        var sink = Sink;
        if (capture is null && sink is null)
        {
            return 0;
        }

        try
        {
            var message = Format(format, (byte*)arguments).TrimEnd('\n');
            capture?.AppendLine(message);
            sink?.Invoke((BpfLogLevel)level, message);
        }
        catch (Exception) // An exception that crossed libbpf's frames would end the process.
        {
        }

        return 0;
    }

    private static string Format(byte* format, byte* arguments)
    {
        // Formatting uses the va_list up, so the first attempt gets a copy: this is what va_copy does on both machines.
        var listSize = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 32 : 24;
        var firstArguments = stackalloc byte[listSize];
        Buffer.MemoryCopy(arguments, firstArguments, listSize, listSize);

        var usual = stackalloc byte[UsualMessage];
        var length = LibC.vsnprintf(usual, UsualMessage, format, firstArguments);
        if (length < UsualMessage)
        {
            return Encoding.UTF8.GetString(usual, Math.Max(length, 0));
        }

        var whole = (byte*)NativeMemory.Alloc((nuint)length + 1);
        try
        {
            length = LibC.vsnprintf(whole, (nuint)length + 1, format, arguments);
            var start = Math.Max(0, length - LongestMessage);
            return Encoding.UTF8.GetString(whole + start, length - start);
        }
        finally
        {
            NativeMemory.Free(whole);
        }
    }
}
