using System.Text.Json;
using Sockwatch.Diagnostics;

namespace Sockwatch.Commands;

internal enum DoctorState
{
    Ok,

    /// <summary>Works, with less.</summary>
    Warning,

    Failed,
}

/// <param name="Fix">What to do about it; null when all is well.</param>
internal sealed record DoctorCheck(string Name, DoctorState State, string Detail, string? Fix = null);

/// <summary>What <c>sockwatch doctor</c> found, as a table or as JSON.</summary>
internal sealed class DoctorReport(IReadOnlyList<DoctorCheck> checks, IReadOnlyList<DoctorCheck> hooks, IReadOnlyList<HookProbeResult> probes)
{
    private const string Red = "\e[31m";
    private const string Green = "\e[32m";
    private const string Yellow = "\e[33m";
    private const string Plain = "\e[0m";

    public bool CanRun => checks.Concat(hooks).All(check => check.State != DoctorState.Failed);

    public void WriteText(TextWriter output, bool colours)
    {
        var width = checks.Concat(hooks).Max(check => check.Name.Length) + 2;
        foreach (var check in checks)
        {
            WriteCheck(output, check, width, colours);
        }

        output.WriteLine();
        output.WriteLine("Hooks");
        foreach (var hook in hooks)
        {
            WriteCheck(output, hook, width, colours);
        }

        output.WriteLine();
        var failed = checks.Concat(hooks).Count(check => check.State == DoctorState.Failed);
        output.WriteLine(failed switch
        {
            0 => "This machine can run sockwatch.",
            1 => "This machine cannot run sockwatch yet: 1 requirement is not met.",
            _ => $"This machine cannot run sockwatch yet: {failed} requirements are not met.",
        });
    }

    public void WriteJson(TextWriter output)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteBoolean("ok", CanRun);
            json.WriteStartArray("checks");
            foreach (var check in checks.Concat(hooks))
            {
                json.WriteStartObject();
                json.WriteString("name", check.Name);
                json.WriteString("state", Name(check.State));
                json.WriteString("detail", check.Detail);
                WriteOptional(json, "fix", check.Fix);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("hooks");
            foreach (var probe in probes)
            {
                json.WriteStartObject();
                json.WriteString("operation", probe.Operation);
                json.WriteString("backend", probe.Backend);
                json.WriteBoolean("works", probe.Works);
                WriteOptional(json, "reason", probe.Reason);
                WriteOptional(json, "fix", probe.Fix);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
    }

    private static void WriteOptional(Utf8JsonWriter json, string name, string? text)
    {
        if (text is null)
        {
            json.WriteNull(name);
        }
        else
        {
            json.WriteString(name, text);
        }
    }

    private static void WriteCheck(TextWriter output, DoctorCheck check, int width, bool colours)
    {
        var (sign, colour) = check.State switch
        {
            DoctorState.Ok => ("✓", Green),
            DoctorState.Warning => ("!", Yellow),
            _ => ("✗", Red),
        };
        var coloured = colours ? colour + sign + Plain : sign;
        output.WriteLine($"{coloured} {check.Name.PadRight(width)}{PrintableText.Of(check.Detail, 500)}");
        if (check.Fix is not null)
        {
            output.WriteLine($"    fix: {PrintableText.Of(check.Fix, 500)}");
        }
    }

    private static string Name(DoctorState state) => state switch
    {
        DoctorState.Ok => "ok",
        DoctorState.Warning => "warning",
        _ => "failed",
    };
}
