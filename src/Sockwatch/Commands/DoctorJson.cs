using System.Text;
using System.Text.Json;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Commands;

/// <summary>The report for programs. The shape is described in docs/doctor.md and only ever added to.</summary>
internal static class DoctorJson
{
    public static void Write(TextWriter output, DoctorReport report)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteBoolean("ok", report.CanRun);
            json.WriteString("version", BuildInfo.Current.Version);
            WriteHost(json, report.Host);
            WriteMemory(json, report);
            json.WriteStartArray("checks");
            foreach (var check in report.Checks)
            {
                json.WriteStartObject();
                json.WriteString("name", check.Name);
                json.WriteString("state", NameOf(check.State));
                json.WriteString("detail", check.Detail);
                json.WriteString("fix", check.Fix);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            WriteOperations(json, report.Hooks);
            WriteHooks(json, report.Hooks);
            json.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
    }

    private static void WriteHost(Utf8JsonWriter json, HostFacts host)
    {
        json.WriteStartObject("host");
        json.WriteString("kernel", host.Release);
        json.WriteString("architecture", host.Architecture);
        json.WriteBoolean("btf", host.HasKernelTypes);
        json.WriteString("lockdown", HostFacts.NameOf(host.Lockdown));
        json.WriteString("cgroups", host.Cgroups.Name);
        json.WriteString("cgroup2", host.Cgroups.Unified);
        json.WriteString("bpffs", host.BpfFileSystem);
        json.WriteEndObject();
    }

    private static void WriteMemory(Utf8JsonWriter json, DoctorReport report)
    {
        if (report.Maps is not { } plan)
        {
            json.WriteNull("memory");
            return;
        }

        json.WriteStartObject("memory");
        json.WriteNumber("at_once", plan.AtOnce);
        json.WriteNumber("when_full", plan.WhenFull);
        json.WriteNumber("per_socket", plan.BytesPerSocket);
        if (report.Memory is { } limit)
        {
            json.WriteNumber("limit", limit.Bytes);
            json.WriteString("limit_source", limit.Source);
        }
        else
        {
            json.WriteNull("limit");
            json.WriteNull("limit_source");
        }

        json.WriteStartArray("maps");
        foreach (var map in plan.Maps)
        {
            json.WriteStartObject();
            json.WriteString("map", map.Name);
            json.WriteNumber("at_once", map.AtOnce);
            json.WriteNumber("when_full", map.WhenFull);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteOperations(Utf8JsonWriter json, IReadOnlyList<HookNeed> needs)
    {
        json.WriteStartArray("operations");
        foreach (var operation in needs.GroupBy(need => need.Operation))
        {
            json.WriteStartObject();
            json.WriteString("operation", operation.Key);
            json.WriteString("state", NameOf(operation.Max(DoctorReport.StateOf)));
            json.WriteStartArray("backends");
            foreach (var backend in operation.Where(need => need.InUse is not null).Select(need => need.InUse!.Backend).Distinct())
            {
                json.WriteStringValue(backend);
            }

            json.WriteEndArray();
            json.WriteStartArray("blind");
            foreach (var blind in operation.Where(need => need.InUse is null))
            {
                json.WriteStringValue(blind.Without);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteHooks(Utf8JsonWriter json, IReadOnlyList<HookNeed> needs)
    {
        json.WriteStartArray("hooks");
        foreach (var need in needs)
        {
            foreach (var candidate in need.Candidates)
            {
                json.WriteStartObject();
                json.WriteString("operation", need.Operation);
                json.WriteString("backend", candidate.Backend);
                json.WriteString("hook", candidate.Hook);
                json.WriteBoolean("works", candidate.Refusal is null);
                json.WriteBoolean("in_use", candidate == need.InUse);
                json.WriteBoolean("required", need.IsRequired);
                json.WriteString("reason", candidate.Refusal?.Reason);
                json.WriteString("fix", candidate.Refusal?.Fix);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    private static string NameOf(DoctorState state) => state switch
    {
        DoctorState.Ok => "ok",
        DoctorState.Warning => "warning",
        _ => "failed",
    };
}
