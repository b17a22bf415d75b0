using System.Buffers;
using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Sockwatch.Control;
using Sockwatch.Diagnostics;

namespace Sockwatch.Commands.Ctl;

/// <summary><c>ctl dump</c>: the agent's books.</summary>
internal static class CtlDump
{
    private const int DefaultRows = 1000;

    public static Command Create(CtlConnection connection)
    {
        var sections = new Argument<string[]>("SECTION")
        {
            Description = "Which parts, such as processes, sockets, maps or losses; all without any",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var rows = new Option<int>("--rows")
        {
            Description = $"Rows of each part (default {DefaultRows})",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultRows,
            CustomParser = result =>
            {
                if (int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0)
                {
                    return number;
                }

                result.AddError(CommandOptions.Expected("--rows", result, "a whole number above 0"));
                return 0;
            },
        };
        return connection.Command(
            "dump", "Show the agent's books: processes, sockets, maps, limits, losses",
            async (parsed, client, asJson, stopping) =>
            {
                var arguments = new DumpArguments(parsed.GetValue(sections) ?? [], parsed.GetValue(rows));
                using DumpWriter writer = asJson ? new DumpJson(connection.Output) : new DumpText(connection.Output);
                await client.ReadAsync(ControlRequests.Dump, arguments, writer, stopping, CancellationToken.None).ConfigureAwait(false);
                writer.End();
            },
            sections, rows);
    }

    private abstract class DumpWriter : ItemReader<DumpRows>, IDisposable
    {
        public abstract void End();

        public abstract void Dispose();
    }

    /// <summary>One table a section.</summary>
    private sealed class DumpText(TextWriter output) : DumpWriter
    {
        private readonly List<IReadOnlyList<string>> _rows = [];
        private DumpRows? _section;
        private bool _isFirst = true;

        public override void OnItem(DumpRows item)
        {
            if (item.Section != _section?.Section)
            {
                End();
            }

            _section = item;
            _rows.AddRange(item.Rows);
        }

        public override void End()
        {
            if (_section is not { } section)
            {
                return;
            }

            output.WriteLine(_isFirst ? section.Section : $"\n{section.Section}");
            CtlTable.Write(output, [.. section.Columns.Select(column => column.Name)], _rows, [.. section.Columns.Select(column => column.IsNumber)]);
            if (section.IsCut)
            {
                output.WriteLine("… and more: --rows shows them");
            }

            _isFirst = false;
            _section = null;
            _rows.Clear();
        }

        public override void Dispose()
        {
        }
    }

    /// <summary>One object: sections, each a list of objects. Written as it comes.</summary>
    private sealed class DumpJson : DumpWriter
    {
        private readonly TextWriter _output;
        private readonly ArrayBufferWriter<byte> _buffer;
        private readonly Utf8JsonWriter _json;
        private string? _section;

        public DumpJson(TextWriter output)
        {
            _output = output;
            _buffer = new ArrayBufferWriter<byte>();
            _json = new Utf8JsonWriter(_buffer, new JsonWriterOptions { Indented = true });
            _json.WriteStartObject();
        }

        public override void OnItem(DumpRows item)
        {
            if (item.Section != _section)
            {
                EndSection();
                _json.WriteStartArray(item.Section);
                _section = item.Section;
            }

            foreach (var row in item.Rows)
            {
                _json.WriteStartObject();
                foreach (var (column, cell) in item.Columns.Zip(row))
                {
                    WriteCell(_json, column, cell);
                }

                _json.WriteEndObject();
            }

            Pass();
        }

        public override void End()
        {
            EndSection();
            _json.WriteEndObject();
            Pass();
            _output.WriteLine();
        }

        public override void Dispose() => _json.Dispose();

        private static void WriteCell(Utf8JsonWriter json, DumpColumn column, string cell)
        {
            if (!column.IsNumber)
            {
                json.WriteString(column.Name, cell);
            }
            else if (cell.Length == 0)
            {
                json.WriteNull(column.Name);
            }
            else
            {
                json.WritePropertyName(column.Name);
                json.WriteRawValue(cell); // checked: what is no number is refused here
            }
        }

        private void EndSection()
        {
            if (_section is not null)
            {
                _json.WriteEndArray();
            }
        }

        private void Pass()
        {
            _json.Flush();
            _output.Write(Encoding.UTF8.GetString(_buffer.WrittenSpan));
            _buffer.ResetWrittenCount();
        }
    }
}
