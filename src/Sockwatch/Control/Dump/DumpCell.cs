using System.Globalization;
using System.Numerics;
using System.Text;
using Sockwatch.Exporters;
using Sockwatch.Kernel;

namespace Sockwatch.Control.Dump;

/// <summary>Values as cells of a dump.</summary>
internal static class DumpCell
{
    public static string Of<T>(T number)
        where T : INumber<T> => number.ToString(null, CultureInfo.InvariantCulture);

    public static string Time(BootClock clock, ulong bootNs)
    {
        if (bootNs == 0)
        {
            return "";
        }

        Span<byte> text = stackalloc byte[FlowLogTime.MicrosecondsLength];
        FlowLogTime.FormatMicroseconds(clock.ToUnixNs(bootNs), text);
        return Encoding.ASCII.GetString(text);
    }
}
