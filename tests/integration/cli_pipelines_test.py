#!/usr/bin/env python3
"""Training on a simulated Neural Engine: pipelines, restarts, reports, traces, and what is refused."""
import json
import re
import signal
import time
import unittest

from cli_testing import TINY, CliTest, tiny_tensors, write_model, write_shard, write_tokenizer

SIM = "sim:m4-max"
# Sizes that every rule of an M4 is happy with. With four layers `static` makes 24 programs, of which
# 20 hold weights: a process that can compile 119 gets through five updates.
SMALL = dict(TINY, vocab_size=320, hidden_size=64, intermediate_size=160, num_hidden_layers=4,
             max_position_embeddings=64)
UPDATES_OF_A_PROCESS = 5
# Times, rates and what is made of them.
A_TIME = re.compile(r"\d ms|tok/s|ms/|FLOP")
# fp16 on three updates of SMALL: a few roundings to 11 bits of logits near 8.
FP16 = 0.02


class Pipelines(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model", SMALL, tiny_tensors(SMALL))
        write_shard(self.dir / "data.bin", 2000, vocab=320)

    def base(self, pipeline="dynamic", device=SIM, seq=32, batch=2):
        return ["train", "--model", "model", "--data", "data.bin", "--seq", seq, "--batch", batch,
                "--device", device, "--pipeline", pipeline]

    def only_time(self, pipeline="dynamic", model="stories110m", device=SIM):
        return ["train", "--model", model, "--values", "off", "--seq", 32, "--batch", 1, "--device",
                device, "--pipeline", pipeline, "--steps", 2]

    def metrics(self, run):
        return [json.loads(line) for line in
                (self.dir / run / "metrics.jsonl").read_text().splitlines()]

    def losses(self, run):
        return [line["loss"] for line in self.metrics(run)]

    def checkpoint(self, run):
        return self.dir / run / (self.dir / run / "latest").read_text().strip()

    def weights(self, run):
        return [(self.checkpoint(run) / name).read_bytes()
                for name in ("model.safetensors", "optimizer.safetensors")]

    def totals(self, run):
        return json.loads((self.checkpoint(run) / "trainer_state.json").read_text())["totals"]

    def report(self, *arguments):
        self.ok(*arguments, "--quiet", "--report-json", "report.json")
        return json.loads((self.dir / "report.json").read_text())

    def assert_near(self, losses, expected, delta=FP16):
        self.assertEqual(len(losses), len(expected))
        for loss, right in zip(losses, expected):
            self.assertAlmostEqual(loss, right, delta=delta)


class Restarts(Pipelines):
    STEPS = 2 * UPDATES_OF_A_PROCESS + 3

    def test_a_run_beyond_the_compile_budget_ends_as_one_that_was_stopped_elsewhere(self):
        base = [*self.base("static"), "--accum", 2]
        out = self.ok(*base, "--steps", self.STEPS, f"--out={self.dir}/whole/")
        self.assertEqual(out.count("going on in a new one"), 2)
        self.assertEqual(out.count("parameters"), 1, "one command, one headline")
        self.assertEqual([line["step"] for line in self.metrics("whole")],
                         list(range(1, self.STEPS + 1)))
        self.assertEqual(self.totals("whole")["restarts"], 2)
        self.ok(*base, "--steps", 4, "--out", "parts", "--quiet")
        for steps in (7, 10, self.STEPS):
            self.ok("train", "--resume", "parts", "--steps", steps, "--quiet")
        self.assertEqual(self.totals("parts")["restarts"], 0)
        self.assertEqual(self.weights("parts"), self.weights("whole"))
        self.assertEqual(self.losses("parts"), self.losses("whole"))

    def test_names_of_other_programs_survive_restarts(self):
        result = self.ok_json(*self.base("static"), *"--output_dir run --max-steps=12 "
                              "--learning-rate 1e-3 --quiet".split())
        self.assertEqual((result["step"], result["updates"]), (12, 12))
        self.assertEqual({line["lr"] for line in self.metrics("run")}, {1e-3})

    def test_every_argument_is_kept_and_json_is_about_the_whole_command(self):
        out = self.ok(*self.base("static"), *"--out run --steps 12 --lr 1e-3 --seed 7 --json --quiet "
                      "--report-json report.json --trace trace.json --save-every 3".split())
        result = json.loads(out)
        self.assertEqual((result["step"], result["updates"], result["tokens"]), (12, 12, 12 * 64))
        lines = self.metrics("run")
        self.assertAlmostEqual(result["ms"], sum(line["ms"] for line in lines), delta=1e-6)
        self.assertEqual({line["lr"] for line in lines}, {1e-3})
        self.assertTrue(result["simulated"] and all(line["simulated"] for line in lines))
        report = json.loads((self.dir / "report.json").read_text())
        self.assertEqual((report["updates"], report["restarts"]), (12, 2))
        self.assertTrue(json.loads((self.dir / "trace.json").read_text())["traceEvents"])
        resumed = self.ok_json("train", "--resume", "run", "--steps", 19, "--quiet")
        self.assertEqual((resumed["step"], resumed["updates"]), (19, 7))

    def test_interrupting_at_any_time_and_going_on(self):
        base = [*self.base("static"), "--steps", 24]
        self.ok(*base, "--out", "whole", "--quiet")
        for wait in (1, UPDATES_OF_A_PROCESS, 2 * UPDATES_OF_A_PROCESS + 1):
            run = f"parts{wait}"
            with self.start(*base, "--out", run) as process:
                path, deadline = self.dir / run / "metrics.jsonl", time.monotonic() + 20
                while not path.exists() or path.read_text().count("\n") < wait:
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.001)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=20)
            self.assertEqual((process.returncode, err), (0, b""))
            self.assertIn(b"--resume " + run.encode() + b" goes on", out)
            self.ok("train", "--resume", run, "--quiet")
            self.assertEqual(self.weights(run), self.weights("whole"))
            self.assertEqual(self.losses(run), self.losses("whole"))


class Placements(Pipelines):
    def test_every_pipeline_trains_as_the_host_does(self):
        for pipeline in ("host", "static", "static-ane", "dynamic"):
            self.ok(*self.base(pipeline), "--accum", 2, "--steps", 3, "--out", pipeline, "--quiet")
            self.assert_near(self.losses(pipeline), self.losses("host"))
        self.assertNotEqual(self.losses("dynamic"), self.losses("host"), "nothing was in fp16")

    def test_placements_of_ones_own(self):
        self.ok(*self.base("host"), "--steps", 3, "--out", "host", "--quiet")
        placements = {
            "ffn": {"rows": [{"stages": ["ffn"], "parts": ["forward", "backward"]}]},
            "baked": {"weights": "constants", "rows": [{"stages": ["ffn", "attention"]}]},
            "all": {"name": "everything", "lanes": 2, "rows": [{"place": "device"}]},
            "gradients": {"rows": [{"parts": ["weight gradient"], "stages": ["attention", "ffn"]}]},
        }
        for name, placement in placements.items():
            self.path(f"{name}.json", json.dumps(placement))
            report = self.report(*self.base(f"{name}.json"), "--steps", 3, "--out", name)
            self.assertEqual(report["pipeline"], placement.get("name", f"{name}.json"))
            self.assertGreater(report["components"]["ane"], 0)
            self.assert_near(self.losses(name), self.losses("host"))
            for line, right in zip(self.metrics(name), self.metrics("host")):
                self.assertAlmostEqual(line["grad_norm"] / right["grad_norm"], 1, delta=0.02)

    def test_a_placement_that_puts_nothing_on_the_device_says_so(self):
        self.path("none.json", '{"rows": [{"values": ["nonsense"]}]}')
        self.assertIn("note: pipeline none.json puts nothing on sim:m4-max\n",
                      self.ok(*self.base("none.json"), "--steps", 1, "--out", "run"))

    def test_sequences_of_any_length_are_padded_for_the_device(self):
        for seq, pipeline in ((9, "static"), (24, "static-ane"), (9, "dynamic")):
            run = f"{pipeline}{seq}"
            out = self.ok(*self.base(pipeline, seq=seq, batch=1), "--strict", "--steps", 2, "--out",
                          run)
            self.assertIn(f"1 x {seq} tokens (padded to 32)", out)
            self.assertNotIn("runs on the host", out)
            self.ok(*self.base("host", seq=seq, batch=1), "--steps", 2, "--out", f"{run}-host")
            self.assert_near(self.losses(run), self.losses(f"{run}-host"))

    def test_what_the_device_refuses_runs_on_the_host_with_a_note(self):
        # A vocabulary that no softmax there takes.
        odd = dict(SMALL, vocab_size=300)
        write_model(self.dir / "model", odd, tiny_tensors(odd))
        write_shard(self.dir / "data.bin", 500, vocab=300)
        self.assertIn("note: loss forward runs on the host: ",
                      self.ok(*self.base(), "--steps", 1, "--out", "run"))
        self.refused(*self.base(), "--strict", "--out", "x", says=["loss forward", "ane.c7"])

    def test_a_resumed_run_keeps_its_pipeline_or_takes_what_is_given(self):
        self.ok(*self.base("static"), "--steps", 2, "--out", "run", "--quiet")
        go_on = ["train", "--resume", "run"]
        self.assertIn("pipeline static: 24 programs", self.ok(*go_on, "--steps", 3))
        self.assertIn("pipeline dynamic: 6 programs",
                      self.ok(*go_on, "--steps", 4, "--pipeline", "dynamic"))
        out = self.ok(*go_on, "--steps", 5, "--device", "cpu", "--pipeline", "host")
        self.assertIn("on cpu", out)
        self.assertNotIn("simulated", out)
        self.assertIn("sim:m1", self.ok(*go_on, "--steps", 6, "--device", "sim:m1"))
        self.assertEqual([line["step"] for line in self.metrics("run")], [1, 2, 3, 4, 5, 6])
        self.ok(*self.base("host"), "--steps", 6, "--out", "host", "--quiet")
        self.assert_near(self.losses("run"), self.losses("host"), delta=2 * FP16)


class Reports(Pipelines):
    FIELDS = {"simulated", "device", "pipeline", "programs_total", "programs_weight_bearing",
              "programs_static", "ms_per_step", "ane_tflops", "total_tflops", "utilization_pct",
              "compile_pct", "train_pct", "wall_ms", "components"}
    LINES = ("programs", "total steps", "wall time", "compile time", "train time", "avg train",
             "update", "ANE TFLOPS", "total TFLOPS", "ANE utilization", "device busy",
             "busy utilization", "component", "ane", "io", "cls", "elem", "rms", "cblas_wait")

    def assert_sound(self, report):
        self.assertLessEqual(self.FIELDS, set(report))
        self.assertLessEqual({"ane", "elem", "cls", "io", "rms", "cblas_wait"},
                             set(report["components"]))
        self.assertEqual(report["programs_total"],
                         report["programs_weight_bearing"] + report["programs_static"])
        self.assertAlmostEqual(report["train_ms"] / report["micro_steps"], report["ms_per_step"])
        self.assertLessEqual(report["train_ms"] + report["compile_ms"], report["wall_ms"] * 1.0001)
        for part in ("train", "compile"):
            self.assertAlmostEqual(100 * report[f"{part}_ms"] / report["wall_ms"],
                                   report[f"{part}_pct"])
        self.assertAlmostEqual(100 * report["ane_tflops"] / 15.8, report["utilization_pct"])
        self.assertLessEqual(report["ane_tflops"], report["total_tflops"])
        self.assertTrue(all(ms >= 0 for ms in report["components"].values()))

    def test_stories110m_without_values(self):
        for pipeline, counts in {"static": (72, 60, 12), "static-ane": (99, 86, 13)}.items():
            report = self.report(*self.only_time(pipeline))
            self.assert_sound(report)
            self.assertEqual((report["programs_total"], report["programs_weight_bearing"],
                              report["programs_static"]), counts)
            self.assertEqual(report["restarts"], 1)
        report = self.report(*self.only_time("dynamic"))
        self.assert_sound(report)
        self.assertLess(report["programs_total"], 10)
        self.assertEqual((report["programs_weight_bearing"], report["restarts"]), (0, 0))
        self.assertEqual((report["simulated"], report["device"], report["pipeline"]),
                         (True, SIM, "dynamic"))
        self.assertEqual(sorted(path.name for path in self.dir.iterdir()),
                         ["data.bin", "model", "report.json"])

    def test_sound_with_values_after_restarts_and_on_the_host(self):
        report = self.report(*self.base("static"), "--steps", 7, "--out", "a")
        self.assert_sound(report)
        self.assertEqual((report["updates"], report["restarts"]), (7, 1))
        self.assertAlmostEqual(report["wall_ms"], self.totals("a")["wall_ms"], delta=1e-6)
        longer = self.report("train", "--resume", "a", "--steps", 9)
        self.assert_sound(longer)
        self.assertEqual((longer["updates"], longer["restarts"]), (9, 1))
        self.assertEqual((longer["micro_steps"], longer["component_micro_steps"]), (9, 2))
        self.assertGreater(longer["wall_ms"], report["wall_ms"])
        for out, device, pipeline in (("b", SIM, "host"), ("c", "cpu", "host"), ("d", "cpu", "static")):
            report = self.report(*self.base(pipeline, device), "--steps", 2, "--out", out)
            self.assert_sound(report)
            self.assertEqual(report["simulated"], device != "cpu")
            if pipeline == "host":
                self.assertEqual((report["ane_tflops"], report["components"]["ane"]), (0, 0))
                self.assertGreater(report["components"]["layers"], 0)

    def test_no_simulated_time_without_the_word(self):
        runs = [[*self.only_time("static"), "--report"], self.only_time("dynamic"),
                [*self.base("static"), "--steps", 7, "--out", "a", "--report"],
                [*self.base("dynamic"), "--steps", 2, "--out", "b"],
                [*self.base("host"), "--steps", 2, "--out", "c", "--progress", "bar"]]
        for run in runs:
            in_table = False
            for line in self.ok(*run).splitlines():
                # What follows a table's header is set in.
                in_table = "simulated" in line or (in_table and line.startswith("  "))
                self.assertTrue(in_table or not A_TIME.search(line), line)

    def test_the_report_as_text_has_every_line(self):
        out = self.ok(*self.only_time("static"), "--report")
        self.assertIn(f"efficiency report: stories110m on {SIM}, pipeline static, simulated\n", out)
        for name in self.LINES:
            self.assertRegex(out, rf"(?m)^ +{name} ")
        # Nothing about an engine that had nothing to do.
        self.assertNotIn("ANE util", self.ok(*self.base("host", "cpu"), "--steps", 1, "--out", "a",
                                             "--report"))

    def test_lines_fit_a_hundred_columns(self):
        for run in ([*self.only_time("static"), "--report"],
                    [*self.base("static"), "--steps", 6, "--out", "a"]):
            for line in self.ok(*run).splitlines():
                self.assertLessEqual(len(line), 100, line)


class Traces(Pipelines):
    def trace(self, *arguments):
        self.ok(*arguments, "--quiet", "--trace", "trace.json")
        trace = json.loads((self.dir / "trace.json").read_text())
        events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
        for event in events:
            self.assertLessEqual({"ph", "ts", "dur", "pid", "tid", "name"}, set(event))
            self.assertTrue(event["ts"] >= 0 and event["dur"] >= 0, event)
        threads = {event["tid"]: event["args"]["name"] for event in trace["traceEvents"]
                   if event["name"] == "thread_name"}
        return trace, {name: [event for event in events if event["tid"] == tid]
                       for tid, name in threads.items()}

    def test_device_and_background_work_at_the_same_time(self):
        for run in (self.only_time(), [*self.base(), "--steps", 1, "--accum", 2, "--out", "a"]):
            trace, rows = self.trace(*run)
            self.assertIs(trace["otherData"]["simulated"], True)
            self.assertEqual(trace["otherData"]["device"], SIM)
            overlap = sum(max(0, min(a["ts"] + a["dur"], b["ts"] + b["dur"]) - max(a["ts"], b["ts"]))
                          for a in rows["device"] for b in rows["host, background"])
            self.assertGreater(overlap, 0)
            for events in rows.values():  # one thing at a time in each
                for before, after in zip(events, events[1:]):
                    self.assertGreaterEqual(after["ts"], before["ts"] + before["dur"] - 1e-3)

    def test_the_cpu_has_a_trace_of_real_time(self):
        trace, rows = self.trace(*self.base("host", "cpu"), "--steps", 2, "--out", "a")
        self.assertIs(trace["otherData"]["simulated"], False)
        self.assertTrue(rows["host"])
        self.assertFalse(rows["device"] or rows["host, background"])


class LossScale(Pipelines):
    def test_a_fixed_scale_that_overflows_is_an_error_that_says_so(self):
        status, _, err = self.run_cli(*self.base(), "--steps", 3, "--out", "run", "--loss-scale", 2**24)
        self.assertEqual(status, 2)
        self.assertRegex(err, r"\Aanemone: update 1: [^\n]*overflow at loss scale 16777216 "
                              r"\([^\n]*--loss-scale[^\n]*\)\n\Z")

    def test_skipped_updates_are_shown_and_counted(self):
        # Rates that make the weights too large for fp16.
        out = self.ok(*self.base(), *"--steps 6 --lr 300 --clip 0 --out run --report".split())
        skipped = [line for line in self.metrics("run") if line.get("skipped")]
        self.assertGreater(len(skipped), 0)
        self.assertEqual(out.count("skipped: overflow at scale"), len(skipped))
        self.assertIn(f"6 updates ({len(skipped)} skipped, loss scale ", out)
        self.assertNotIn("-nan", out)
        self.assertEqual([line["loss_scale"] for line in skipped],
                         [4096 / 2**i for i in range(len(skipped))])

    def test_a_resumed_run_takes_the_scale_that_is_given_or_that_its_device_needs(self):
        def scale_of_next(*arguments):
            self.ok("train", "--resume", "run", "--steps", len(self.metrics("run")) + 1, "--quiet",
                    *arguments)
            return self.metrics("run")[-1].get("loss_scale", 1)

        self.ok(*self.base(), "--steps", 1, "--out", "run", "--quiet")
        self.assertEqual(scale_of_next(), 4096)
        self.assertEqual(scale_of_next("--loss-scale", 64), 64)
        self.assertEqual(scale_of_next(), 64)
        self.assertEqual(scale_of_next("--loss-scale", 0), 4096)
        self.assertEqual(scale_of_next("--device", "cpu"), 1)
        self.assertEqual(scale_of_next("--device", SIM), 4096)

    def test_scales_out_of_range(self):
        for scale in ("-1", "nan", "inf", "3e7", "1e-320"):
            self.refused(*self.base(), "--out", "run", "--loss-scale", scale, says="--loss-scale")


class Refused(Pipelines):
    def test_devices_and_pipelines_that_do_not_exist(self):
        for chip in ("m9", "M4-MAX", ""):
            self.refused(*self.base(device=f"sim:{chip}"), "--out", "run", says=["m4-max", "m1", "m5"])
        self.refused(*self.base(device="gpu"), "--out", "run", says=["--device", "gpu"])
        self.refused(*self.base("statik"), "--out", "run",
                     says=["--pipeline", "statik", "host, static, static-ane, static-lora and dynamic"])

    def test_placement_files(self):
        self.refused(*self.base("absent.json"), "--out", "run", says="absent.json")
        self.path("folder.json").mkdir()
        self.refused(*self.base("folder.json"), "--out", "run", says="folder.json")
        row = '{"rows": [{}, {%s}]}'
        for text, says in {"": "JSON", "{": "JSON", "[]": "array", "{}": "rows", '{"rows": {}}': "rows",
                           '{"rows": [], "rows": []}': "twice", '{"rows": [3]}': "row 1",
                           '{"rowz": []}': "rows", '{"rows": [], "lanes": 0}': "lanes",
                           '{"rows": [], "lanes": 1.5}': "lanes",
                           '{"rows": [], "weights": "none"}': "weights",
                           row % '"stage": ["ffn"]': "row 2: unknown key 'stage' (did you mean 'stages'",
                           row % '"stages": ["atention"]': "row 2: the model has no stage 'atention'",
                           row % '"stages": "ffn"': "row 2", row % '"parts": ["sideways"]': "sideways",
                           row % '"operations": ["convv"]': "row 2: there is no operation 'convv'",
                           row % '"place": "gpu"': "gpu"}.items():
            self.path("mine.json", text)
            self.refused(*self.base("mine.json"), "--out", "run", says=["mine.json", says])

    def test_too_many_programs_point_to_the_dynamic_pipeline(self):
        self.path("deep/config.json", json.dumps(dict(SMALL, num_hidden_layers=28)))
        for pipeline, count in (("static", 168), ("static-ane", 227)):
            self.refused(*self.only_time(pipeline, "deep"), says=[pipeline, count, 119, "dynamic needs"])
        self.ok(*self.only_time("dynamic", "deep"))

    def test_values_off(self):
        self.ok(*self.only_time(model="model"))
        result = self.ok_json(*self.only_time(), "--quiet")
        self.assertFalse({"loss", "grad_norm", "val_loss", "out"} & set(result), "nothing was computed")
        self.refused(*self.only_time(device="cpu", pipeline="host"), says=["--values", SIM])
        self.refused(*self.only_time(), "--values", "maybe", says="--values")
        self.ok(*self.base(), "--steps", 1, "--out", "run")
        self.refused(*self.only_time(), "--resume", "run", says=["--resume", "--values off"])

    def test_times_without_values_are_kept_where_out_says(self):
        said = self.ok(*self.only_time(), "--out", "run")
        self.assertIn("run: metrics.jsonl and report.json; no checkpoint", said)
        self.assertEqual(sorted(path.name for path in (self.dir / "run").iterdir()),
                         ["metrics.jsonl", "report.json"])
        self.assertEqual([line["step"] for line in self.metrics("run")], [1, 2])
        for line in self.metrics("run"):
            self.assertGreater(line["ms"], 0)
            self.assertTrue(line["simulated"])
            self.assertFalse({"loss", "grad_norm"} & set(line), "nothing was computed")
        report = json.loads((self.dir / "run" / "report.json").read_text())
        self.assertEqual(report, self.report(*self.only_time()))
        self.refused(*self.only_time(), "--out", "run", says="it already holds a training run")
        result = self.ok_json(*self.only_time(), "--out", "other", "--quiet")
        self.assertEqual(result["out"], "other")

    def test_values_on_needs_data_and_a_place(self):
        self.refused("train", "--model", "model", "--device", SIM, "--out", "run", says="--data")
        self.refused(*self.base(), says=["--out", "--resume"])

    def test_reports_that_cannot_be_written_are_refused_before_training(self):
        for flag in ("--report-json", "--trace"):
            for place in ("nowhere/x.json", "model"):
                self.refused(*self.base(), "--steps", 1, "--out", "run", flag, place, says=place)
            self.ok(*self.base(), "--steps", 1, "--out", f"run{flag}", flag, f"run{flag}/x.json")
            self.assertTrue(json.loads((self.dir / f"run{flag}" / "x.json").read_text()))

    def test_verbs_that_only_the_host_runs(self):
        write_tokenizer(self.dir / "tok.bin", 320)
        self.refused("eval", "--model", "model", "--data", "data.bin", "--seq", 32, "--device", SIM)
        self.refused("generate", "--model", "model", "--tokenizer", "tok.bin", "--device", SIM)


if __name__ == "__main__":
    unittest.main()
