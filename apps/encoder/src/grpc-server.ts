import { Inject, Injectable } from "@nestjs/common";
import type { OnApplicationBootstrap, OnModuleDestroy } from "@nestjs/common";
import { EncoderService } from "@marquetry/contracts/encoder/encoder_service_pb";
import { startGrpcServer } from "@marquetry/grpc/server";
import type { RunningGrpcServer } from "@marquetry/grpc/server";
import type { EncoderConfig } from "./config.js";
import { EncodeController } from "./encode.controller.js";
import { CONFIG } from "./tokens.js";

/** The proto's bound on a picture, and room for what stands around it. */
const REQUEST_BYTES_MAX = 8_388_608 + 1_024;

/** The gRPC server: the online door, health and reflection. */
@Injectable()
export class GrpcServer implements OnApplicationBootstrap, OnModuleDestroy {
  #server: RunningGrpcServer | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: EncoderConfig,
    @Inject(EncodeController) private readonly controller: EncodeController,
  ) {}

  /** The port that was taken; 0 before the start. */
  get port(): number {
    return this.#server?.port ?? 0;
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#server = await startGrpcServer({
      service: EncoderService,
      implementation: this.controller.implementation,
      port: this.config.GRPC_PORT,
      requestBytesMax: REQUEST_BYTES_MAX,
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.#server?.close();
  }
}
